import Datasets
import Foundation
import Optimizers

/// The files of a run, written by rank 0: `config.yaml`, `metrics.jsonl`, `model.safetensors`,
/// and where weights are removed `masks.safetensors`.
final class RunDirectory {
  /// What a run finds in its directory.
  enum Start {
    /// None of a run's files.
    case new
    /// What is left of a run that came to no checkpoint.
    case over
    /// A run with a checkpoint, at which `metrics.jsonl` had so many bytes.
    case from(metricsBytes: Int)
  }

  let path: String
  private let metrics: Int32
  /// Length of `metrics.jsonl`, of whole lines.
  private(set) var metricsBytes = 0
  /// Lines that could not be written yet.
  private var pending: [UInt8] = []
  private let encoder = JSONEncoder()

  /// Makes the directory and starts the run's files, or goes on with them.
  ///
  /// - Parameter configuration: the text of `config.yaml`.
  /// - Throws: `DatasetError` where the directory holds a run already and is to be new, where another
  ///   run is writing there, or where it cannot be written.
  init(_ path: String, configuration: String, start: Start) throws {
    self.path = path
    try AtomicFile.makeDirectories(path)
    var flags = O_RDWR | O_CREAT | O_CLOEXEC
    if case .new = start {
      try Self.checkIsFree(path)
      // Of two runs that begin at once, one is refused.
      flags |= O_EXCL
    }
    let name = "\(path)/metrics.jsonl"
    metrics = open(name, flags, 0o666)
    guard metrics >= 0 else {
      throw errno == EEXIST
        ? Self.occupied(path, by: "metrics.jsonl") : DatasetError.system(name, "cannot be made")
    }
    // File systems without locks have other answers.
    guard flock(metrics, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw DatasetError(path, "another run is writing there")
    }
    if case .new = start {} else { try removeTemporaries() }
    if case .from(let bytes) = start { metricsBytes = endOfLines(within: bytes) }
    guard ftruncate(metrics, metricsBytes) == 0 else {
      throw DatasetError.system(name, "cannot be cut at byte \(metricsBytes)")
    }
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(to: "\(path)/config.yaml") { file throws(DatasetError) in
      try file.write(Array(configuration.utf8))
    }
  }

  /// Removes what processes of the run that were killed have left.
  private func removeTemporaries() throws(DatasetError) {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw .foundation(path, "cannot be read", error)
    }
    for name in names where AtomicFile.isTemporary(name) { unlink("\(path)/\(name)") }
  }

  /// The end of the last whole line of `metrics.jsonl` in its first bytes. Somebody may have cut it.
  private func endOfLines(within bytes: Int) -> Int {
    var end = min(bytes, Int(lseek(metrics, 0, SEEK_END)))
    var last: UInt8 = 0
    while end > 0, pread(metrics, &last, 1, end - 1) == 1, last != UInt8(ascii: "\n") { end -= 1 }
    return end
  }

  /// Refuses a directory with a run in it.
  static func checkIsFree(_ path: String) throws {
    for name in ["config.yaml", "metrics.jsonl", "model.safetensors", Masks.fileName]
    where access("\(path)/\(name)", F_OK) == 0 {
      throw occupied(path, by: name)
    }
    // They would be taken for this run's.
    let checkpoints = CheckpointDirectory(ofRun: path)
    if let step = try checkpoints.steps().first {
      throw occupied(path, by: checkpoints.path(step: step))
    }
  }

  private static func occupied(_ path: String, by name: String) -> DatasetError {
    DatasetError(
      path, "holds a run already", expected: "a directory without \(name)",
      got: "one with it (--resume auto goes on with it; or choose another --run-directory)")
  }

  deinit { if metrics >= 0 { close(metrics) } }

  /// A line for a step.
  struct StepLine: Encodable {
    let step: Int
    let epoch: Int
    let loss: JSONNumber
    let gradientNorm: JSONNumber
    let learningRate: Double
    /// Of the prunable weights, the share that is removed, where there are masks.
    let sparsity: Double?
    /// λ, of M-FAC.
    let damping: Double?
    /// Of the loss, actual to predicted, where λ follows it.
    let reductionRatio: JSONNumber?
    /// Whether the step was left out, for a gradient that is not finite.
    let skipped: Bool
    let seconds: [String: Double]
  }

  /// A line for weights that go, after so many steps.
  struct PruningLine: Encodable {
    let step: Int
    let epoch: Int
    let sparsity: Double
    let kept: Int
    let removed: Int
    let regrown: Int
    /// Of the loss by the removal, where the method predicts it.
    let predictedChange: JSONNumber?
    let pruningSeconds: Double
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
    /// Without those of evaluations and checkpoints.
    let trainingSeconds: Double
    let secondsSinceStart: Double
  }

  /// Appends a line to `metrics.jsonl`.
  ///
  /// - Throws: `DatasetError` where it cannot be written; it is kept, and goes before the next.
  func log(_ line: some Encodable) throws {
    pending += try encoder.encode(line) + [UInt8(ascii: "\n")]
    try write()
  }

  /// Brings all lines to the disk.
  func synchronize() throws {
    try write()
    guard fsync(metrics) == 0 else { throw failure }
  }

  private func write() throws {
    guard !pending.isEmpty else { return }
    var done = 0
    while done < pending.count {
      let written = pending[done...].withUnsafeBytes {
        pwrite(metrics, $0.baseAddress, $0.count, metricsBytes + done)
      }
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else {
        let failure = failure
        // Half a line is none.
        ftruncate(metrics, metricsBytes)
        throw failure
      }
      done += written
    }
    metricsBytes += done
    pending = []
  }

  private var failure: DatasetError { .system("\(path)/metrics.jsonl", "cannot be written") }
}

/// A number, or null for an infinity or a NaN, which JSON has no form for.
package struct JSONNumber: Codable {
  package let value: Double

  package init(_ value: Double) { self.value = value }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value.isFinite { try container.encode(value) } else { try container.encodeNil() }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    value = container.decodeNil() ? .nan : try container.decode(Double.self)
  }
}
