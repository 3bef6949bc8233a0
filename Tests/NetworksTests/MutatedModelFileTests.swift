import Foundation
import LinearAlgebra
import Mutations
import Networks
import Testing

/// Tests corrupted model files: each is read or refused in one line. None causes a trap, a hang, or
/// an allocation that only its sizes ask for.
struct MutatedModelFileTests {
  static let tokens = [
    "-", "- ", ":", ": ", "{", "}", "[", "]", ",", "\n", "\n  - ", "  ", "\t", "'", "\"", "&a ",
    "*a", "!!int ", "!<x>", "? ", "| ", "> ", "#", "%", "---\n", "...\n", "0", "-1", "9", "1e9",
    "0x10", "~", "null", "true", "nan", "1e999", "2147483648", "9223372036854775807",
    "-9223372036854775808", "relu", "flatten", "global-average-pool", "to-sequence", "batch-norm",
    "layer-norm", "attention: {heads: 1}", "linear", "in", "kernel: 2", ", stride: 2",
    ", init: normal", "conv2d: {in: 1, out: 1, kernel: 1}", "add: {layers: [relu]}",
    "sequence: {name: '', layers: [relu]}", "\u{0}", "\u{85}", "é", "\u{1F642}",
  ]

  static let residual = """
    input: [3, 8, 8]
    layers:
      - conv2d: {name: stem, in: 3, out: 4, kernel: 3, padding: 1, init: kaiming-normal}
      - batch-norm: {momentum: 0.2, epsilon: 1e-3}
      - add:
          name: block
          layers:
            - conv2d: {in: 4, out: 6, kernel: 3, stride: 2, padding: 1}
            - batch-norm
          shortcut:
            - conv2d: {in: 4, out: 6, kernel: 1, stride: 2, bias: false}
      - average-pool2d: {kernel: 2}
      - global-average-pool
      - linear: {in: 6, out: 2, init: normal, init-scale: 0.02}
    """

  static let transformer = """
    input: [16]
    layers:
      - embedding: {vocabulary: 256, width: 8}
      - position-embedding
      - add: {layers: [layer-norm, attention: {heads: 2, causal: true}, dropout]}
      - linear: {in: 8, out: 256}
    """

  @Test("corrupted model files are read or refused") func spoiledModels() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let mutator = Mutator(tokens: Self.tokens, seed: 42)
      let models = [
        (ModelFileTests.small, 40_000), (Self.residual, 40_000), (Self.transformer, 30_000),
      ]
      for (original, count) in models {
        let tally = try Tally(count, refusing: NetworkDescriptionError.self) { number in
          let text = mutator.mutant(number, of: Array(original.utf8))
          do {
            try Self.use(
              NetworkDescription(yaml: String(decoding: text, as: UTF8.self), file: "f.yaml"))
          } catch let error as NetworkDescriptionError {
            #expect(error.description.hasPrefix("f.yaml:"), "\(number): \(error)")
            #expect(!error.description.contains("\n"), "\(number): \(error)")
            #expect(error.problem.count < 400, "\(number): \(error)")
            throw error
          }
        }
        // Comments, and sizes within their range, can change without harm; most mutations do harm.
        #expect(tally.accepted > count / 100, "\(tally)")
        #expect(tally.refused > count / 2, "\(tally)")
      }
    }
  }

  /// Uses everything that is computed from a description before memory is allocated for it.
  private static func use(_ description: NetworkDescription) {
    #expect(description.layout.count > 0)
    #expect(description.layout.tensors.allSatisfy { $0.shape.reduce(1, *) == $0.range.count })
    let count = try? MemoryCount.of { try Network<Float>(description, maximumBatch: 16) }
    #expect(count?.total != 0)
  }

  /// A pattern to repeat, the text within, and the repeated end.
  static let nested: [(String, String, String)] = [
    ("[", "", "]"), ("{a: ", "", "}"), ("{? ", "a", "}"), ("- ", "a", ""), ("? ", "a", ""),
    ("- - ? ", "a", ""), ("!!seq [", "", "]"), ("&a [", "", "]"), ("[{a: ", "", "}]"),
    ("{add: {layers: [", "relu", "]}}"), ("{sequence: {name: '', layers: [", "relu", "]}}"),
    ("{add: {layers: [relu], shortcut: [", "relu", "]}}"),
  ]

  @Test(
    "deeply nested models are read or refused",
    arguments: nested.indices, [100, 332, 5000, 60_000])
  func nestedModels(index: Int, depth: Int) {
    let (start, inside, end) = Self.nested[index]
    let count = min(depth, 1_000_000 / (start + end).utf8.count)
    let nest =
      String(repeating: start, count: count) + inside + String(repeating: end, count: count)
    let model = "input: [4]\nlayers:\n- linear: {in: 4, out: 3}\n- \(nest)"
    // Each block takes three of at most 1000 levels.
    let isModel = inside == "relu" && depth < 333
    #expect(refusal(of: nest) != nil)
    #expect((refusal(of: model) == nil) == isModel, "\(start) \(depth) times")
  }

  private func refusal(of yaml: String) -> String? {
    do throws(NetworkDescriptionError) {
      try Self.use(NetworkDescription(yaml: yaml, file: "f.yaml"))
      return nil
    } catch {
      return error.description
    }
  }

  /// Sizes within their range are described; memory is allocated later, on request.
  @Test("huge layers are described without memory") func hugeLayers() async throws {
    await #expect(processExitsWith: .success) {
      limitMemory()
      for (input, layers, count) in [
        ("[500000000, 2, 2]", "[batch-norm, global-average-pool]", 1_000_000_000),
        ("[1, 40000, 40000]", "[flatten, linear: {in: 1600000000, out: 1}]", 1_600_000_001),
        ("[46000, 46000]", "[position-embedding]", 2_116_000_000),
        ("[1]", "[embedding: {vocabulary: 16777216, width: 127}]", 2_130_706_432),
      ] {
        let description = try NetworkDescription(
          yaml: "input: \(input)\nlayers: \(layers)", file: "f.yaml")
        #expect(description.layout.count == count)
        Self.use(description)
      }
    }
  }

  /// The file has about as many layers as fit into the largest settings file.
  @Test("long models are read") func longModels() throws {
    let count = 30_000
    let layers = String(repeating: "- linear: {in: 1, out: 1}\n", count: count)
    let description = try NetworkDescription(
      yaml: "input: [1]\nlayers:\n\(layers)", file: "f.yaml")
    #expect(description.layout.tensors.count == 2 * count)
    #expect(description.layout["\(count - 1).bias"]?.range == 2 * count - 1..<2 * count)
  }
}
