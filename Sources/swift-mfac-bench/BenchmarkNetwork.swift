import LinearAlgebra
import Networks
import RandomNumbers

/// A network to be timed, and the random examples that it is timed on.
struct BenchmarkNetwork {
  enum Inputs {
    /// Uniform in [−1, 1).
    case images
    /// Whole numbers below a vocabulary's size.
    case tokens(vocabulary: Int)
  }

  let name: String
  let description: NetworkDescription
  var inputs = Inputs.images
  let classes: Int
  /// One for each position of a sequence.
  var labelsPerExample = 1

  /// Every network of the benchmark, in the order of its table.
  static func all() throws -> [BenchmarkNetwork] {
    [
      BenchmarkNetwork(
        name: "mlp", description: try .mlp(input: [1, 28, 28], classes: 10), classes: 10),
      BenchmarkNetwork(
        name: "cnn", description: try .cnn(input: [1, 28, 28], classes: 10), classes: 10),
    ]
  }

  func randomInputs(examples: Int) -> Buffer<Float> {
    let random = CounterRandom(seed: 0, stream: 1)
    let buffer = Buffer<Float>(count: examples * description.inputCount)
    for i in 0..<buffer.count {
      buffer.pointer[i] =
        switch inputs {
        case .images: Float(2 * random.uniform(at: UInt64(i)) - 1)
        case .tokens(let vocabulary): Float(random.integer(below: vocabulary, at: UInt64(i)))
        }
    }
    return buffer
  }

  func randomLabels(examples: Int) -> Buffer<Int32> {
    let random = CounterRandom(seed: 0, stream: 2)
    let buffer = Buffer<Int32>(count: examples * labelsPerExample)
    for i in 0..<buffer.count {
      buffer.pointer[i] = Int32(random.integer(below: classes, at: UInt64(i)))
    }
    return buffer
  }
}
