import ArgumentParser
import Datasets
import Formats
import LinearAlgebra
import Networks
import RandomNumbers

/// Defines a network to time, and random examples for it.
struct BenchmarkNetwork {
  let name: String
  let description: NetworkDescription

  /// Returns every network of the benchmark, in the order of its table.
  static func all() throws -> [BenchmarkNetwork] {
    try ["mlp", "cnn", "resnet20", "gpt-mini"].map(named)
  }

  /// Returns a built-in network by name, or reads a model file. Built-in networks take
  /// Fashion-MNIST images (the small ones), CIFAR-10 images or bytes.
  static func named(_ name: String) throws -> BenchmarkNetwork {
    let (input, outputs) =
      switch name {
      case "mlp", "cnn": ([1, 28, 28], 10)
      case "gpt-mini": ([64], 256)
      default: ([3, 32, 32], 10)
      }
    if let network = try NetworkDescription.builtIn(name, input: input, outputs: outputs) {
      return BenchmarkNetwork(name: name, description: network)
    }
    guard [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) else {
      throw ValidationError(
        "no network '\(name)'; there are "
          + NetworkDescription.builtInNames.joined(separator: ", ")
          + ", and model files (.yaml, .json)"
      )
    }
    let description = try NetworkDescription(yaml: try TextFile.read(name), file: name)
    return BenchmarkNetwork(name: name, description: description)
  }

  /// Returns random examples with classes, or with values if the network has one output.
  func randomExamples(count: Int) -> ArrayExamples {
    let (inputs, labels) = (randomInputs(examples: count), randomLabels(examples: count))
    return withExtendedLifetime((inputs, labels)) {
      let targets: ArrayExamples.Targets =
        description.outputCount > 1
        ? .classes(
          Array(labels.all), count: description.outputCount, positions: description.positions)
        : .values(.floats(labels.all.map(Float.init)), count: 1)
      return ArrayExamples(
        inputShape: description.input, inputs: .floats(Array(inputs.all)), targets: targets,
        rows: Array(0..<count), source: "random examples")
    }
  }

  /// Returns inputs uniform in [−1, 1), or random tokens if the network begins with an embedding.
  func randomInputs(examples: Int) -> Buffer<Float> {
    let random = CounterRandom(seed: 0, stream: 1)
    let buffer = Buffer<Float>(count: examples * description.inputCount)
    for i in 0..<buffer.count {
      if let vocabulary = description.vocabulary {
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
