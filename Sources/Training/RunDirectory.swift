import Formats
import Foundation
import RunRecords

/// A run's directory, in which rank 0 writes `config.yaml`, `metrics.jsonl`, `environment.jsonl`
/// and `model.safetensors`. On request it also writes event files in `tensorboard`; if weights are
/// removed, `masks.safetensors`. `.lock` names the process that writes there.
final class RunDirectory {
  /// Selects what happens to the contents of the directory.
  enum Start {
    /// The directory must not hold a run.
    case new
    /// Files of a run that made no checkpoint are moved aside; if it took no step, they are
    /// removed.
    case over
    /// The contents are removed, as the user requested.
    case overwriting
    /// The run continues from a checkpoint, at which `metrics.jsonl` had this many bytes.
    case from(metricsBytes: Int)
  }

  let path: String
  private let lock: RunLock
  private let metrics: GrowingFile
  private let events: EventFile?

  /// Creates the directory and the run's files, or continues them.
  ///
  /// - Parameters:
  ///   - plan: the plan of the run.
  ///   - environment: the environment of this process. It becomes a line of `environment.jsonl` and
  ///     the first line of `config.yaml`.
  ///   - lock: the lock on the directory, if it existed before.
  /// - Throws: `InputError` if the directory holds a run but `start` is `new`, if another run is
  ///   writing there, or if a file cannot be written.
  init(
    _ plan: TrainingPlan, environment: Environment, start: Start, lock: RunLock?
  ) throws {
    path = plan.runDirectory
    let path = path
    try AtomicFile.makeDirectories(path)
    self.lock = try lock ?? RunLock(path)
    let remains = try Remains(of: path)
    var (linesBefore, environmentBefore) = (0, 0)
    switch start {
    // Another run may have started here since the directory was checked.
    case .new: try remains.checkIsFree(totalSteps: plan.schedule.totalSteps)
    case .over where remains.isWorthKeeping: try remains.setAside()
    case .over, .overwriting: try remains.remove()
    case .from(let bytes): (linesBefore, environmentBefore) = (bytes, .max)
    }
    try Self.removeTemporaries(path)
    metrics = try GrowingFile("\(path)/metrics.jsonl")!
    try metrics.goOn(afterLinesWithin: linesBefore)
    let configuration = RunConfiguration(environment, settings: plan.configuration)
    try AtomicFile.write(to: "\(path)/\(RunConfiguration.fileName)") { file throws(InputError) in
      try file.write(Array(configuration.text.utf8))
    }
    events =
      try plan.tensorboard
      ? EventFile(
        in: "\(path)/tensorboard", afterStep: environment.fromStep!, host: hostName()) : nil
    let starts = try GrowingFile("\(path)/environment.jsonl")!
    try starts.goOn(afterLinesWithin: environmentBefore)
    try starts.append(Self.line(environment))
  }

  /// Length of the whole lines of `metrics.jsonl`, in bytes.
  var metricsBytes: Int { metrics.length }

  /// Removes the temporary files that killed processes of the run have left.
  private static func removeTemporaries(_ path: String) throws(InputError) {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw .foundation(path, "cannot be read", error)
    }
    for name in names where AtomicFile.isTemporary(name) { unlink("\(path)/\(name)") }
  }

  /// Appends a line to `metrics.jsonl`, and its numbers to the event file.
  ///
  /// - Throws: `InputError` if a file cannot be written; the line is kept and written before the
  ///   next one.
  func log(_ line: MetricsLine) throws {
    let logged = Result { try metrics.append(Self.line(line)) }
    try events?.append(line.scalars, step: line.step)
    try logged.get()
  }

  private static func line(_ record: some Encodable) throws -> [UInt8] {
    Array("\(try JSONText.of(record, inLines: false))\n".utf8)
  }

  /// Flushes all lines to the disk.
  func synchronize() throws {
    try metrics.synchronize()
    try events?.synchronize()
  }
}
