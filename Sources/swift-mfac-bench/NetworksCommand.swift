import ArgumentParser
import Datasets
import Foundation
import LinearAlgebra
import Networks
import ProgramOptions
import RunRecords

/// Times forward and backward passes, loss included, as training calls them.
struct NetworksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "networks",
    abstract: "Times forward and backward passes of the built-in networks on one core.",
    discussion: """
      Each time is the median for a whole batch of random examples, loss included, over the \
      repetitions that fit in --seconds after a warm-up. Micro-batches follow one another, as in \
      training.
      """)

  @Argument(help: "Built-in networks or model files. (default: all built-in networks)")
  var names: [String] = []

  @Option(parsing: .unconditional, help: "Examples in a batch.")
  var batchSize = 128

  @Option(
    parsing: .upToNextOption,
    help: "Numbers of micro-batches, one line of the table each.")
  var microBatches = [8, 1]

  @Option(parsing: .unconditional, help: "Seconds to measure each network.")
  var seconds = 1.0

  @OptionGroup var files: ResultFiles

  @Flag(help: "List the networks.")
  var list = false

  func validate() throws {
    try files.checkReplacesNoSweep()
    let longest = 1_000_000.0
    try require("--batch-size", in: 1...1_000_000_000, batchSize)
    for count in microBatches {
      try require(
        count > 0 && batchSize % count == 0, "--micro-batches",
        "a divisor of --batch-size, \(batchSize)", count)
    }
    try require(
      seconds > 0 && seconds <= longest, "--seconds", "in (0, \(longest)]", seconds)
    _ = try networks()
  }

  func run() throws {
    if list {
      for network in try BenchmarkNetwork.all() { print(network.name) }
      return
    }
    print("OpenBLAS core type \(BLAS.coreType), one thread, batch \(batchSize)")
    print(row("network", ["micro-batches", "median ms", "minimum ms", "repetitions"]))
    var results: [NetworkReport] = []
    for network in try networks() {
      for count in microBatches {
        let time = try measure(network, microBatches: count)
        let result = NetworkReport(
          network: network.name, batch: batchSize, microBatches: count,
          medianMs: 1000 * time.median, minimumMs: 1000 * time.minimum,
          repetitions: time.repetitions)
        results.append(result)
        print(
          row(
            network.name,
            [
              "\(count)", String(format: "%.3f", result.medianMs),
              String(format: "%.3f", result.minimumMs), "\(time.repetitions)",
            ]))
      }
    }
    try files.write(results)
  }

  private func networks() throws -> [BenchmarkNetwork] {
    names.isEmpty ? try BenchmarkNetwork.all() : try names.map(BenchmarkNetwork.named)
  }

  /// Measures a batch: each micro-batch once, overwriting the previous gradient.
  private func measure(_ benchmark: BenchmarkNetwork, microBatches: Int) throws -> Measurement {
    let examples = batchSize / microBatches
    let network = try Network<Float>(benchmark.description, maximumBatch: examples)
    let parameters = Buffer<Float>(count: network.parameterCount)
    let gradient = Buffer<Float>(count: network.parameterCount)
    network.layout.initialize(parameters.all, seed: 0)
    let state = Buffer<Float>(count: network.stateCount)
    network.stateLayout.initialize(state.all)
    let statistics = Buffer<Float>(count: network.stateCount)
    let inputs = benchmark.randomInputs(examples: batchSize)
    let labels = benchmark.randomLabels(examples: batchSize)
    let inputCount = inputs.count / microBatches
    let labelCount = labels.count / microBatches
    return Measurement(seconds: seconds) {
      for i in 0..<microBatches {
        _ = network.lossAndGradient(
          inputs: UnsafeBufferPointer(inputs[i * inputCount..<(i + 1) * inputCount]),
          targets: .classes(UnsafeBufferPointer(labels[i * labelCount..<(i + 1) * labelCount])),
          parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
          gradient: gradient.all, loss: .crossEntropy(),
          scale: 1 / Float(batchSize * network.positions),
          training: TrainingPass(
            statistics: statistics.all, seed: 0, step: 0, firstExample: i * examples))
      }
    }
  }
}
