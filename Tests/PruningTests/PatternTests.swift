import Pruning
import Testing

struct PatternTests {
  @Test("patterns are read from their text") func patternText() {
    for text in ["unstructured", "1x4", "4x1", "16x16", "2:4", "1:2", "4:8", "channels"] {
      #expect(Pattern(text)?.description == text)
    }
    for text in [
      "", "1x1", "0x4", "4", "x4", "1x", "1x4x1", "channel", "4:4", "4:2", "0:4", "-1:4", "2:4:8",
    ] {
      #expect(Pattern(text) == nil, "\(text)")
    }
  }

  @Test("N:M patterns determine the sparsity") func fixedSparsity() {
    #expect(Pattern("2:4")?.sparsity == 0.5)
    #expect(Pattern("1:4")?.sparsity == 0.75)
    #expect(Pattern("1x4")?.sparsity == nil && Pattern.unstructured.sparsity == nil)
  }

  private func tensor(_ shape: [Int], isPrunable: Bool = true) -> WeightTensor {
    WeightTensor(
      name: "w", shape: shape, range: 0..<shape.reduce(1, *), isPrunable: isPrunable)
  }

  /// Channels may have any size, in tensors of two or more dimensions.
  @Test("channels need tensors of two or more dimensions") func channelDimensions() throws {
    _ = try Selection(of: [tensor([5, 7]), tensor([3, 1, 2, 2])], pattern: .channels)
    #expect(throws: PruningError.self) { try Selection(of: [tensor([8])], pattern: .channels) }
    #expect(Pattern.channels.sparsity == nil)
  }

  @Test("weighing needs the multiply-adds of every pruned tensor") func knownMultiplyAdds() throws {
    func tensor(_ multiplyAdds: Int, isPrunable: Bool = true) -> WeightTensor {
      WeightTensor(
        name: "w", shape: [4], range: 0..<4, isPrunable: isPrunable, multiplyAdds: multiplyAdds)
    }
    _ = try Selection(of: [tensor(2), tensor(0, isPrunable: false)], weighing: .flops)
    #expect(throws: PruningError.self) {
      try Selection(of: [tensor(2), tensor(0)], weighing: .flops)
    }
    _ = try Selection(of: [tensor(0)], weighing: .none)
  }

  @Test("block patterns need tensors of whole blocks") func wholeBlocks() throws {
    let pattern = try #require(Pattern("2x4"))
    _ = try Selection(of: [tensor([6, 8, 3, 3])], pattern: pattern)
    for shape in [[5, 8], [6, 7], [8]] {
      #expect(throws: PruningError.self) {
        try Selection(of: [tensor(shape)], pattern: pattern)
      }
      // Tensors that are not pruned may have any shape.
      _ = try Selection(of: [tensor([2, 4]), tensor(shape, isPrunable: false)], pattern: pattern)
    }
    #expect(throws: PruningError.self) { try Selection(of: [tensor([4], isPrunable: false)]) }
  }
}
