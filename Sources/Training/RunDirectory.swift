import Datasets
import Foundation
import Optimizers

/// The files of a run, written by rank 0: `config.yaml`, `metrics.jsonl` and `model.safetensors`.
final class RunDirectory {
  let path: String
  private let metrics: UnsafeMutablePointer<FILE>
  private let encoder = JSONEncoder()

  /// Makes the directory and starts the run's files.
  ///
  /// - Parameter configuration: the text of `config.yaml`.
  /// - Throws: `DatasetError` where the directory holds a run already, or cannot be written.
  init(_ path: String, configuration: String) throws {
    self.path = path
    try Self.makeDirectories(path)
    try Self.checkIsFree(path)
    // "x": of two runs that begin at once, one is refused.
    guard let metrics = fopen("\(path)/metrics.jsonl", "wx") else {
      throw errno == EEXIST
        ? Self.occupied(path, by: "metrics.jsonl")
        : DatasetError.system("\(path)/metrics.jsonl", "cannot be made")
    }
    self.metrics = metrics
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text = configuration
    try text.withUTF8 {
      try AtomicFile.write([UnsafeRawBufferPointer($0)], to: "\(path)/config.yaml")
    }
  }

  /// Refuses a directory with a run in it.
  static func checkIsFree(_ path: String) throws {
    for name in ["config.yaml", "metrics.jsonl", "model.safetensors"]
    where access("\(path)/\(name)", F_OK) == 0 {
      throw occupied(path, by: name)
    }
  }

  private static func occupied(_ path: String, by name: String) -> DatasetError {
    DatasetError(
      path, "holds a run already", expected: "a directory without \(name)",
      got: "one with it (remove it, or choose another --run-directory)")
  }

  private static func makeDirectories(_ path: String) throws {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += "\(part)/"
      guard mkdir(made, 0o777) == 0 || errno == EEXIST || access(made, X_OK) == 0 else {
        throw DatasetError.system(path, "cannot make the run's directory")
      }
    }
  }

  deinit { fclose(metrics) }

  /// A line for a step.
  struct StepLine: Encodable {
    let step: Int
    let epoch: Int
    let loss: JSONNumber
    let gradientNorm: JSONNumber
    let learningRate: Double
    /// λ, of M-FAC.
    let damping: Double?
    /// Of the loss, actual to predicted, where λ follows it.
    let reductionRatio: JSONNumber?
    /// Whether the step was left out, for a gradient that is not finite.
    let skipped: Bool
    let seconds: [String: Double]
  }

  /// A line for an evaluation.
  struct EvaluationLine: Encodable {
    let step: Int
    let epoch: Int
    let testLoss: JSONNumber
    /// Of classes.
    let testAccuracy: Double?
    /// Of values, in the data's units.
    let testRmse: Double?
    /// Without those of evaluations.
    let trainingSeconds: Double
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

/// A number, or null for an infinity or a NaN, which JSON has no form for.
struct JSONNumber: Encodable {
  let value: Double

  init(_ value: Double) { self.value = value }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value.isFinite { try container.encode(value) } else { try container.encodeNil() }
  }
}
