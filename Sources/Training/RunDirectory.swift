import Formats
import Foundation
import RunRecords

/// The files of a run, written by rank 0: `config.yaml`, `metrics.jsonl`, `environment.jsonl`,
/// `model.safetensors`; where they are asked for event files in `tensorboard`, and where weights
/// are removed `masks.safetensors`. `.lock` says which process writes there.
final class RunDirectory {
  /// What becomes of what is in the directory.
  enum Start {
    /// There is none of a run's files.
    case new
    /// What is left of a run that came to no checkpoint is kept beside, unless it took no step.
    case over
    /// What is there goes, as it was asked for by name.
    case overwriting
    /// A run goes on from a checkpoint, at which `metrics.jsonl` had so many bytes.
    case from(metricsBytes: Int)
  }

  let path: String
  private let lock: RunLock
  private let metrics: GrowingFile
  private let events: EventFile?

  /// Makes the directory and starts the run's files, or goes on with them.
  ///
  /// - Parameters:
  ///   - plan: whose directory it is.
  ///   - environment: That of this process; it becomes a line of `environment.jsonl` and the first
  ///     line of `config.yaml`.
  ///   - lock: on the directory, where it was there before.
  /// - Throws: `InputError` where the directory holds a run already and is to be new, where
  ///   another run is writing there, or where it cannot be written.
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
    // Of two runs that begin at once, one has become an earlier one.
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

  /// Length of `metrics.jsonl`, of whole lines.
  var metricsBytes: Int { metrics.length }

  /// Removes what processes of the run that were killed have left.
  private static func removeTemporaries(_ path: String) throws(InputError) {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw .foundation(path, "cannot be read", error)
    }
    for name in names where AtomicFile.isTemporary(name) { unlink("\(path)/\(name)") }
  }

  /// Appends a line to `metrics.jsonl`, and its numbers to the event file.
  ///
  /// - Throws: `InputError` where one cannot be written; it is kept, and goes before the next.
  func log(_ line: MetricsLine) throws {
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
