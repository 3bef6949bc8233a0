import Networks
import Testing

@Suite struct MultiplyAddsTests {
  private func counts(_ network: NetworkDescription) -> [String: Int] {
    Dictionary(
      uniqueKeysWithValues: zip(network.layout.tensors.map(\.name), network.multiplyAddsPerWeight))
  }

  private func total(_ network: NetworkDescription) -> Int {
    zip(network.layout.tensors, network.multiplyAddsPerWeight).reduce(0) {
      $0 + $1.0.range.count * $1.1
    }
  }

  /// The convolutions cover 28×28 and 14×14 positions; two linear layers follow.
  @Test("convolutions use their weights at each position") func convolutionCounts() throws {
    let network = try NetworkDescription.cnn(input: [1, 28, 28], classes: 10)
    let counts = counts(network)
    #expect(counts["0.weight"] == 784 && counts["3.weight"] == 196)
    #expect(counts["7.weight"] == 1 && counts["9.weight"] == 1 && counts["0.bias"] == 0)
    #expect(total(network) == 144 * 784 + 4608 * 196 + 64 * 1568 + 640)
  }

  /// A stride of 2 and no padding give (9 − 3)/2 + 1 = 4 positions each way; shortcuts and norms
  /// follow.
  @Test("strides and branches are counted") func stridesAndBranches() throws {
    let network = try NetworkDescription(
      input: [2, 9, 9],
      layers: [
        .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 2, bias: false), .batchNorm,
        .add([.conv2d(inputs: 3, outputs: 3, kernel: 1)], shortcut: .batchNorm),
        .globalAveragePool, .linear(inputs: 3, outputs: 5),
      ])
    let counts = counts(network)
    #expect(counts["0.weight"] == 16 && counts["2.0.weight"] == 16 && counts["4.weight"] == 1)
    #expect(counts.values.filter { $0 == 0 }.count == counts.count - 3)
  }

  /// Each weight of a group is used at each of 4×4 positions, for any number of groups; the outputs
  /// of a group have fewer weights.
  @Test("groups have fewer weights") func groupCounts() throws {
    let network = try NetworkDescription(
      input: [6, 8, 7],
      layers: [
        .conv2d(inputs: 6, outputs: 9, kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 3),
        .flatten,
      ])
    #expect(network.layout["0.weight"]!.shape == [9, 2, 3, 3])
    #expect(network.outputCount == 9 * 4 * 4)
    #expect(counts(network) == ["0.weight": 16, "0.bias": 0])
    #expect(total(network) == 9 * 2 * 9 * 16)
  }

  @Test("sequences use their weights at each position") func sequenceCounts() throws {
    let network = try NetworkDescription(
      input: [7],
      layers: [
        .embedding(vocabulary: 11, width: 4), .positionEmbedding, .attention(heads: 2),
        .linear(inputs: 4, outputs: 3),
      ])
    let counts = counts(network)
    #expect(counts["2.in_proj_weight"] == 7 && counts["2.out_proj.weight"] == 7)
    #expect(counts["3.weight"] == 7 && counts["0.weight"] == 0 && counts["1.weight"] == 0)
    #expect(counts["2.in_proj_bias"] == 0)
  }

  /// The stages have 16 channels over 32×32, 32 over 16×16 and 64 over 8×8, with two shortcuts of
  /// 1×1.
  @Test("residual networks have their known multiply-adds") func residualNetworks() throws {
    let network = try NetworkDescription.resnet(blocks: 3, input: [3, 32, 32], classes: 10)
    let block = 16 * 16 * 9 * 1024
    #expect(total(network) == 27 * 16 * 1024 + 6 * block + 11 * block + 2 * 16 * 32 * 256 + 640)
    #expect(total(network) == 40_813_184)
  }
}
