import Datasets
import Foundation

/// The files of a run, written by rank 0: `config.yaml`, `metrics.jsonl`, `environment.jsonl`,
/// `model.safetensors`; where they are asked for event files in `tensorboard`, and where weights are
/// removed `masks.safetensors`.
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
  private let metrics: GrowingFile
  private let events: EventFile?

  /// Makes the directory and starts the run's files, or goes on with them.
  ///
  /// - Parameters:
  ///   - configuration: the text of `config.yaml`.
  ///   - environment: of this process, a line of `environment.jsonl`.
  ///   - tensorboard: whether there is to be an event file too.
  /// - Throws: `DatasetError` where the directory holds a run already and is to be new, where another
  ///   run is writing there, or where it cannot be written.
  init(
    _ path: String, configuration: String, environment: Environment, tensorboard: Bool,
    start: Start
  ) throws {
    self.path = path
    try AtomicFile.makeDirectories(path)
    var isNew = false
    if case .new = start {
      try Self.checkIsFree(path)
      isNew = true
    }
    // Of two runs that begin at once, one is refused.
    guard let metrics = try GrowingFile("\(path)/metrics.jsonl", mustBeNew: isNew) else {
      throw Self.occupied(path, by: "metrics.jsonl")
    }
    self.metrics = metrics
    guard metrics.lock() else { throw DatasetError(path, "another run is writing there") }
    if !isNew { try Self.removeTemporaries(path) }
    var (linesBefore, environmentBefore) = (0, 0)
    if case .from(let bytes) = start { (linesBefore, environmentBefore) = (bytes, .max) }
    try metrics.goOn(afterLinesWithin: linesBefore)
    try AtomicFile.write(to: "\(path)/config.yaml") { file throws(DatasetError) in
      try file.write(Array(configuration.utf8))
    }
    let eventDirectory = "\(path)/tensorboard"
    if case .over = start { try EventFile.removeAll(in: eventDirectory) }
    events =
      try tensorboard ? EventFile(in: eventDirectory, afterStep: environment.fromStep) : nil
    let starts = try GrowingFile("\(path)/environment.jsonl")!
    try starts.goOn(afterLinesWithin: environmentBefore)
    try starts.append(Self.line(environment))
  }

  /// Length of `metrics.jsonl`, of whole lines.
  var metricsBytes: Int { metrics.length }

  /// Removes what processes of the run that were killed have left.
  private static func removeTemporaries(_ path: String) throws(DatasetError) {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw .foundation(path, "cannot be read", error)
    }
    for name in names where AtomicFile.isTemporary(name) { unlink("\(path)/\(name)") }
  }

  /// Refuses a directory with a run in it.
  static func checkIsFree(_ path: String) throws {
    for name in [
      "config.yaml", "metrics.jsonl", "model.safetensors", Masks.fileName, "environment.jsonl",
      "tensorboard",
    ] where access("\(path)/\(name)", F_OK) == 0 {
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

  /// Appends a line to `metrics.jsonl`, and its numbers to the event file.
  ///
  /// - Throws: `DatasetError` where one cannot be written; it is kept, and goes before the next.
  func log(_ line: some Line) throws {
    let logged = Result { try metrics.append(Self.line(line)) }
    try events?.append(line.scalars, step: line.step)
    try logged.get()
  }

  private static func line(_ record: some Encodable) throws -> [UInt8] {
    Array("\(try JSONText.of(record, inLines: false))\n".utf8)
  }

  /// Brings all lines to the disk.
  func synchronize() throws {
    try metrics.synchronize()
    try events?.synchronize()
  }
}
