import Foundation
import RunRecords
import Support

/// The bytes of the network that a run leaves.
func trainedNetwork(of run: String) throws -> Data {
  try Data(contentsOf: URL(filePath: "\(run)/model.safetensors"))
}

extension MetricsLine {
  /// The lines of a run's `metrics.jsonl`.
  static func read(_ run: String) throws -> [MetricsLine] {
    var lines: [MetricsLine] = []
    try JSONLines<MetricsLine>(of: "\(run)/metrics.jsonl", expected: "a line of a run").read {
      lines.append($0)
    }
    return lines
  }
}

extension PruningReport {
  /// The report that `swift-mfac-prune` leaves in a directory.
  static func read(_ directory: String) throws -> PruningReport {
    try Program.record(in: "\(directory)/report.json")
  }
}
