import Formats
import Foundation
import RunRecords
import Support
import Testing

extension TemporaryDirectory {
  /// Trains on the digits in a separate run directory and expects success.
  func train(
    _ name: String, ranks: Int? = nil, _ arguments: [String]
  ) throws -> (run: String, output: String) {
    let run = self.path(name)
    let outcome = try Program.train(
      ranks: ranks,
      ["--dataset", "digits", "--batch-size", "48", "--run-directory", run] + arguments)
    try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
    return (run, outcome.output)
  }
}

/// An event's entry in `metrics.jsonl`.
struct PruningEvent {
  let step: Int
  let sparsity: Double
  let kept: Int
  let removed: Int
  let regrown: Int
  let predictedChange: Double?

  static func read(_ run: String) throws -> [PruningEvent] {
    try MetricsLine.read(run).filter { $0.pruningSeconds != nil }.map {
      PruningEvent(
        step: $0.step, sparsity: try #require($0.sparsity), kept: try #require($0.kept),
        removed: try #require($0.removed), regrown: try #require($0.regrown),
        predictedChange: $0.predictedChange)
    }
  }
}

/// A directory's weights and masks, by tensor, and the momenta of a checkpoint in the order of
/// both.
struct SparseNetwork {
  var weights: [(name: String, values: [Float])] = []
  var kept: [String: [Bool]] = [:]
  var momenta: [String: [Float]] = [:]

  init(_ directory: String) throws {
    let file = try SafetensorsFile(path: "\(directory)/model.safetensors")
    for tensor in file.tensors {
      weights.append((tensor.name, try file.values(tensor.name, as: Float.self)))
    }
    let masks = try SafetensorsFile(path: "\(directory)/masks.safetensors")
    for tensor in masks.tensors {
      var values = [UInt8](repeating: 0, count: tensor.count)
      try values.withUnsafeMutableBytes {
        try masks.read(tensor.name, type: .bool, shape: tensor.shape, into: $0)
      }
      kept[tensor.name] = values.map { $0 == 1 }
    }
    let path = "\(directory)/momentum-00001-of-00001.safetensors"
    guard FileManager.default.fileExists(atPath: path) else { return }
    let cells = try SafetensorsFile(path: path)
    for tensor in cells.tensors.sorted(by: { $0.name < $1.name }) {
      let name = String(tensor.name.split(separator: ".").last!)
      momenta[name, default: []] += try cells.values(tensor.name, as: Float.self)
    }
  }

  /// Expects everything that masks remove to be zero, in the weights and in each momentum.
  func checkZeros() {
    var start = 0
    for (name, values) in weights {
      for (i, isKept) in (kept[name] ?? []).enumerated() where !isKept {
        #expect(values[i].bitPattern == 0, "\(name) \(i): \(values[i])")
        for (momentum, numbers) in momenta {
          #expect(numbers[start + i] == 0, "\(momentum) of \(name) \(i): \(numbers[start + i])")
        }
      }
      start += values.count
    }
  }

  var removed: Int { kept.values.joined().count { !$0 } }
  var all: Int { kept.values.joined().count }
}
