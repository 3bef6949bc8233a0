import ArgumentParser
import Formats
import Foundation
import LinearAlgebra
import MPI
import Networks
import ProgramOptions
import RunRecords
import TrainedModels
import Training

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares K-FAC's Kronecker blocks with a network's exact curvature.",
    discussion: """
      Prints for each layer the relative distance ‖B⊗A − F‖/‖F‖ (Frobenius norm) on a few training \
      examples, in double precision, for both values of --kfac-setting. Type-2 and sampled factors \
      are compared with the layer's block of the Gauss–Newton matrix, empirical factors with its \
      block of the empirical Fisher matrix. 'exact' means below 1e-8; * marks the choice of auto. \
      Further columns compare the empirical Fisher block with the Gauss–Newton block, and M-FAC's \
      rows with gradients in double precision. The network is in evaluation mode. No d×d matrix \
      is formed. Runs on one rank.
      """)

  @OptionGroup(title: "Data") var data: DataSettings
  @OptionGroup(title: "Model") var model: ModelSettings

  @Option(
    help: "Weights (.safetensors). (default: random ones by the seed, as at the start of training)",
    completion: .file())
  var weights: String?

  @Option(parsing: .unconditional, help: "Number of training examples, drawn by the seed.")
  var examples = 4

  @Option(parsing: .unconditional, help: "Targets to sample for each prediction (mc).")
  var fisherSamples = 1

  @Option(
    parsing: .unconditional,
    help: "Seed of random weights, the examples and the sampled targets.")
  var seed: UInt64 = 0

  @Option(help: "Also write the numbers to this JSON file.", completion: .file())
  var json: String?

  func validate() throws {
    try require("--examples", in: 1...100_000, examples)
    try require("--fisher-samples", in: 1...1_000_000, fisherSamples)
  }

  /// Computes the comparison, prints it and writes the JSON file. Collective; requires a single
  /// rank.
  func check(on world: Communicator) throws {
    let start = ContinuousClock.now
    let network = try world.agree {
      guard world.size == 1 else {
        throw InputError(
          "check", "runs on a single rank", expected: "1 rank", got: "\(world.size)")
      }
      if let json { try checkIsFree(json, "--json") }
      return try load()
    }
    try world.agree { try network.memory() }.check(on: world)
    print("\(network.summary)\n")
    fflush(nil)
    let report = FisherCheckReport(
      of: network, layers: try network.layers(), rows: try network.rowDistances(on: world))
    print(report.text)
    let seconds = (ContinuousClock.now - start) / .milliseconds(1) / 1000
    print("\n\(formatNumber(seconds, digits: 1)) s")
    guard let json else { return }
    try world.agree { try report.write(to: json) }
    print("The numbers are in \(json).")
  }

  private func load() throws -> CheckedNetwork {
    var model = model
    let dataset = try data.source.load(try data.options(seed: seed))
    try model.resolve(for: dataset.targets)
    let network = try model.network(for: dataset)
    try network.check(against: dataset, loss: model.resolvedLoss)
    return try CheckedNetwork(
      network, name: model.model, loss: model.resolvedLoss, dataset: dataset, weights: weights,
      examples: examples, samples: fisherSamples, seed: seed)
  }
}
