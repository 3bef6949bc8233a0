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
    abstract: "How far K-FAC's Kronecker blocks are from a network's exact curvature.",
    discussion: """
      For each layer the relative distance ‖B⊗A − F‖/‖F‖ in Frobenius norm, on a few training \
      examples, in double precision: of the factors of --fisher type2 and mc from the layer's \
      block of the Gauss–Newton matrix, and of empirical ones from that of the empirical Fisher \
      matrix, for both settings of --kfac-setting. 'exact' is below 1e-8, and * marks what auto \
      takes. Beside them the empirical Fisher matrix's own block stands against the Gauss–Newton \
      matrix's, and the rows that M-FAC keeps against gradients in double precision. The network \
      is as it predicts: batch-norms take their running statistics, and nothing is dropped. No \
      matrix of d×d is formed. For one rank.
      """)

  @OptionGroup(title: "Data") var data: DataSettings
  @OptionGroup(title: "Model") var model: ModelSettings

  @Option(
    help: "The weights (.safetensors). (default: drawn by the seed, as at the start of training)",
    completion: .file())
  var weights: String?

  @Option(parsing: .unconditional, help: "N, of the training part, drawn by the seed.")
  var examples = 4

  @Option(parsing: .unconditional, help: "Draws for each prediction (mc).")
  var fisherSamples = 1

  @Option(
    parsing: .unconditional,
    help: "Of the weights where there is no file, of the examples, and of what is drawn.")
  var seed: UInt64 = 0

  @Option(help: "A file for the numbers, as JSON.", completion: .file())
  var json: String?

  func validate() throws {
    try require("--examples", in: 1...100_000, examples)
    try require("--fisher-samples", in: 1...1_000_000, fisherSamples)
  }

  /// Collective; of one rank.
  func check(on world: Communicator) throws {
    let start = ContinuousClock.now
    let network = try world.agree {
      guard world.size == 1 else {
        throw InputError(
          "check", "is of a few examples, for one rank", expected: "1 rank", got: "\(world.size)")
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
