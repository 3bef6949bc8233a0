import Foundation

/// The bytes of the network that a run leaves.
func trainedNetwork(of run: String) throws -> Data {
  try Data(contentsOf: URL(filePath: "\(run)/model.safetensors"))
}

/// A line of `metrics.jsonl`.
struct MetricsLine: Decodable {
  let step: Int
  let epoch: Int
  let loss: Double?
  let gradientNorm: Double?
  let damping: Double?
  let reductionRatio: Double?
  let directionNorm: Double?
  let angle: Double?
  let cgIterations: Int?
  let cgResidual: Double?
  let skipped: Bool?
  let testLoss: Double?
  let testAccuracy: Double?

  static func read(_ directory: String) throws -> [MetricsLine] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try String(contentsOfFile: "\(directory)/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").map { try decoder.decode(MetricsLine.self, from: Data($0.utf8)) }
  }
}
