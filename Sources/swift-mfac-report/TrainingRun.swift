import Formats
import Foundation
import RunRecords

/// A run of `swift-mfac-train`, as its directory tells it.
struct TrainingRun {
  let path: String
  /// The lines of `config.yaml`, in its order.
  let settings: [(key: String, value: String)]
  let metrics: Metrics
  let starts: [Environment]
  /// d; none where there is no network yet.
  let parameters: Int?

  /// - Throws: `InputError` naming the file, and the line, that is not what such a run writes.
  init(_ path: String) throws {
    self.path = path
    let file = "\(path)/\(RunConfiguration.fileName)"
    let configuration = RunConfiguration(text: try TextFile.read(file))
    settings = try configuration.settings(in: file)
    metrics = try Metrics(of: "\(path)/metrics.jsonl")
    let environment = "\(path)/environment.jsonl"
    starts =
      access(environment, F_OK) == 0
      ? try Environment.read(environment) : [configuration.start].compactMap { $0 }
    parameters = try Self.parameters(of: "\(path)/model.safetensors")
  }

  /// Whether a directory holds one.
  static func isOne(_ path: String) -> Bool { access("\(path)/metrics.jsonl", F_OK) == 0 }

  subscript(_ key: String) -> String? { settings.first { $0.key == key }?.value }

  /// Of the process that went on last.
  var ranks: Int? { starts.last?.ranks }

  /// The numbers of a network's tensors, its running statistics left out.
  private static func parameters(of path: String) throws -> Int? {
    guard access(path, F_OK) == 0 else { return nil }
    let file = try SafetensorsFile(path: path)
    return file.tensors.filter { !isStatistic($0.name) }.reduce(0) {
      $0 + $1.shape.reduce(1, *)
    }
  }

  private static func isStatistic(_ name: String) -> Bool {
    ["running_mean", "running_var", "num_batches_tracked"].contains {
      name == $0 || name.hasSuffix(".\($0)")
    }
  }
}

extension Environment {
  /// - Throws: `InputError` naming the line that is none.
  static func read(_ path: String) throws -> [Environment] {
    var starts: [Environment] = []
    let lines = JSONLines<Environment>(
      of: path, expected: "the environment of a process, such as {\"ranks\":8,…}")
    try lines.read { starts.append($0) }
    return starts
  }
}
