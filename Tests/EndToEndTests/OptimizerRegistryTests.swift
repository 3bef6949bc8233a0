import Formats
import Foundation
import LinearAlgebra
import Optimizers
import Support
import Testing

extension OptimizerName {
  /// The settings of a small run, with everything that the optimizer stores in addition to its
  /// moving averages.
  var smallSettings: [String] {
    ["--optimizer", rawValue]
      + (configuration is any WindowedConfiguration.Type ? ["--window", "6"] : [])
      + (configuration.isDamped ? ["--damping", "0.1"] : [])
  }

  static var names: [String] { allCases.map(\.rawValue) }
}

/// Tests properties that every optimizer must have, including new ones.
@Suite(.serialized) struct OptimizerRegistryTests {
  /// Covers groups, clipping, weight decay and pruning during training. The bytes are the same for
  /// any number of ranks, also after a resume with another number, in either precision.
  @Test(
    "any number of ranks gives the same bytes",
    arguments: OptimizerName.allCases, Precision.allCases)
  func sameBytes(optimizer: OptimizerName, precision: Precision) throws {
    let directory = try TemporaryDirectory()
    let groups = try directory.write(
      """
      groups:
        - {match: "*.bias", learning-rate: 0.005, weight-decay: 0, mfac: false}
        - {match: "3.weight", learning-rate: 0.02}
      """, to: "groups.yaml")
    let settings =
      optimizer.smallSettings + [
        "--config", groups, "--dataset", "digits", "--model", "cnn", "--batch-size", "24",
        "--micro-batches", "6", "--steps", "11", "--learning-rate", "0.01", "--clip-norm", "1",
        "--weight-decay", "0.01", "--sparsity", "0.6", "--prune-every", "3", "--prune-end", "9",
        "--save-every-steps", "5", "--keep-last", "9", "--precision", precision.rawValue,
      ]
    func train(_ name: String, ranks: Int?, _ more: [String] = []) throws -> Data {
      let run = directory.path(name)
      let outcome = try Program.train(ranks: ranks, settings + ["--run-directory", run] + more)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try Data(contentsOf: URL(filePath: "\(run)/model.safetensors"))
    }
    let alone = try train("alone", ranks: nil)
    #expect(try train("three", ranks: 3) == alone)
    let checkpoint = directory.path("three/checkpoints/step-00000005")
    #expect(try train("resumed", ranks: 2, ["--resume", checkpoint]) == alone)
    // No stored number is rounded.
    let files = try FileManager.default.contentsOfDirectory(atPath: checkpoint)
    for name in files where name.hasSuffix(".safetensors") && name != "masks.safetensors" {
      let types = try SafetensorsFile(path: "\(checkpoint)/\(name)").tensors.map(\.dtype)
      #expect(precision == .float32 || types.allSatisfy { $0 == .float64 }, "\(name)")
    }
  }

  /// An optimizer's configuration survives writing and reading.
  @Test("configurations are written and read", arguments: OptimizerName.allCases)
  func configurations(optimizer: OptimizerName) throws {
    func check(_ configuration: some OptimizerConfiguration) throws {
      let data = try JSONEncoder().encode(configuration)
      #expect(try JSONDecoder().decode(type(of: configuration), from: data) == configuration)
    }
    try check(optimizer.configuration.init())
    #expect(optimizer.configuration.init().period > 0)
  }

  /// Help and completion list every optimizer, and so does the refusal of a wrong name.
  @Test("the programs offer every optimizer") func offeredOptimizers() throws {
    let names = OptimizerName.names
    let words = names.map { "'\($0)'" }.joined(separator: "$'\\n'")
    for program in [Program.train, Program.bench] {
      let outcome = try Program.run(
        Program.process(ranks: nil, program: program, ["--generate-completion-script", "bash"]))
      #expect(outcome.output.contains(words), "\(program)")
    }
    let refused = try Program.train(["--optimizer", "none"])
    #expect(refused.status == 64)
    for name in names { #expect(refused.errors.contains("'\(name)'")) }
  }

  /// An option of another optimizer would have no effect, and is refused.
  @Test("options of other optimizers are refused", arguments: OptimizerName.allCases)
  func foreignOptions(optimizer: OptimizerName) throws {
    let options = [
      "mfac": "--window=3", "kfac": "--inverse-every=3", "muon": "--muon-iterations=3",
    ]
    for (other, option) in options {
      let outcome = try Program.train([
        "--optimizer", optimizer.rawValue, option, "--dataset", "digits", "--dry-run",
      ])
      let says = "applies only with --optimizer \(other)"
      #expect(outcome.errors.contains(says) == (other != optimizer.rawValue), "\(option)")
    }
  }
}
