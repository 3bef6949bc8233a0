import Datasets
import Foundation
import Optimizers

/// The files of a run, written by rank 0: `config.yaml`, `metrics.jsonl` and `model.safetensors`.
final class RunDirectory {
  let path: String
  private let metrics: UnsafeMutablePointer<FILE>
  private let encoder = JSONEncoder()

  var model: String { "\(path)/model.safetensors" }

  /// Makes the directory and starts the run's files.
  ///
  /// - Parameter configuration: the text of `config.yaml`.
  /// - Throws: `DatasetError` where the directory holds a run already, or cannot be written.
  init(_ path: String, configuration: String) throws {
    self.path = path
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw DatasetError(path, "cannot make the run's directory: \(error.localizedDescription)")
    }
    for name in ["config.yaml", "metrics.jsonl", "model.safetensors"]
    where FileManager.default.fileExists(atPath: "\(path)/\(name)") {
      throw DatasetError(
        path, "holds a run already", expected: "a directory without \(name)",
        got: "one with it (remove it, or choose another --run-directory)")
    }
    var text = configuration
    try text.withUTF8 {
      try AtomicFile.write([UnsafeRawBufferPointer($0)], to: "\(path)/config.yaml")
    }
    guard let metrics = fopen("\(path)/metrics.jsonl", "w") else {
      throw DatasetError.system("\(path)/metrics.jsonl", "cannot be made")
    }
    self.metrics = metrics
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  deinit { fclose(metrics) }

  /// A line for a step.
  struct StepLine: Encodable {
    let step: Int
    let epoch: Int
    /// `nil`, JSON's null, where it is not finite; so is the norm.
    let loss: Double?
    let gradientNorm: Double?
    let learningRate: Double
    /// Whether the step was left out, for a gradient that is not finite.
    let skipped: Bool
    let seconds: [String: Double]
  }

  /// A line for an evaluation.
  struct EvaluationLine: Encodable {
    let step: Int
    let epoch: Int
    let testLoss: Double?
    let testAccuracy: Double
    let secondsSinceStart: Double
  }

  /// Appends a line to `metrics.jsonl`.
  func log(_ line: some Encodable) throws {
    let text = try encoder.encode(line) + [UInt8(ascii: "\n")]
    let written = text.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, metrics) }
    guard written == text.count, fflush(metrics) == 0 else {
      throw DatasetError.system("\(path)/metrics.jsonl", "cannot be written")
    }
  }
}

extension Double {
  /// `nil` for an infinity or a NaN, which JSON has no form for.
  var ifFinite: Double? { isFinite ? self : nil }
}
