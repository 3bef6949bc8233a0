import LinearAlgebra
import Networks
import RandomNumbers

/// A network to be timed, and the random examples that it is timed on.
struct BenchmarkNetwork {
  let name: String
  let description: NetworkDescription

  /// Every network of the benchmark, in the order of its table.
  static func all() throws -> [BenchmarkNetwork] {
    [
      BenchmarkNetwork(name: "mlp", description: try .mlp(input: [1, 28, 28], classes: 10)),
      BenchmarkNetwork(name: "cnn", description: try .cnn(input: [1, 28, 28], classes: 10)),
      BenchmarkNetwork(
        name: "resnet20", description: try .resnet(blocks: 3, input: [3, 32, 32], classes: 10)),
      BenchmarkNetwork(
        name: "gpt-mini", description: try .gptMini(vocabulary: 256, positions: 64)),
    ]
  }

  /// Uniform in [−1, 1), or tokens where the network begins with an embedding.
  func randomInputs(examples: Int) -> Buffer<Float> {
    let random = CounterRandom(seed: 0, stream: 1)
    let buffer = Buffer<Float>(count: examples * description.inputCount)
    for i in 0..<buffer.count {
      if case .embedding(let vocabulary, _) = description.layers[0].kind {
        buffer.pointer[i] = Float(random.integer(below: vocabulary, at: UInt64(i)))
      } else {
        buffer.pointer[i] = Float(2 * random.uniform(at: UInt64(i)) - 1)
      }
    }
    return buffer
  }

  func randomLabels(examples: Int) -> Buffer<Int32> {
    let random = CounterRandom(seed: 0, stream: 2)
    let buffer = Buffer<Int32>(count: examples * description.positions)
    for i in 0..<buffer.count {
      buffer.pointer[i] = Int32(random.integer(below: description.outputCount, at: UInt64(i)))
    }
    return buffer
  }
}
