import Foundation
import RunRecords
import Support

/// Returns the bytes of a run's network.
func trainedNetwork(of run: String) throws -> Data {
  try Data(contentsOf: URL(filePath: "\(run)/model.safetensors"))
}

extension MetricsLine {
  /// Reads the lines of a run's `metrics.jsonl`.
  static func read(_ run: String) throws -> [MetricsLine] {
    var lines: [MetricsLine] = []
    try JSONLines<MetricsLine>(of: "\(run)/metrics.jsonl", expected: "a line of a run").read {
      lines.append($0)
    }
    return lines
  }
}

extension PruningReport {
  /// Reads the report of `swift-mfac-prune` in a directory.
  static func read(_ directory: String) throws -> PruningReport {
    try Program.record(in: "\(directory)/report.json")
  }
}
