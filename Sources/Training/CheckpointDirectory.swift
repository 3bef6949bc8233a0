import Formats
import Foundation

/// The checkpoints of a run, in `checkpoints` within its directory.
public struct CheckpointDirectory: Sendable {
  /// Of the directory, which need not exist.
  public let path: String

  /// Of the run with that directory.
  public init(ofRun directory: String) { path = "\(directory)/checkpoints" }

  /// Where the checkpoint of a step is.
  public func path(step: Int) -> String { "\(path)/step-\(padded(step, 8))" }

  /// Where it is while it is being made. A name that begins with a dot is of no checkpoint.
  func temporaryPath(step: Int) -> String {
    "\(path)/.step-\(padded(step, 8)).tmp"
  }

  /// The steps of which there are checkpoints, whole or damaged, the newest first.
  ///
  /// - Throws: `DatasetError` where the directory cannot be read; where there is none, there are none.
  public func steps() throws(DatasetError) -> [Int] {
    try names().compactMap { name in
      guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0,
        self.path(step: step) == "\(path)/\(name)"
      else { return nil }
      return step
    }.sorted(by: >)
  }

  func make() throws(DatasetError) {
    if mkdir(path, 0o777) == 0 { return try AtomicFile.synchronize(directory: "\(path)/..") }
    guard errno == EEXIST else { throw .system(path, "cannot be made") }
  }

  /// Gives a complete checkpoint its name. One that has it already is of steps that were taken anew, and
  /// was passed over when they were: it goes.
  func take(_ temporary: String, step: Int) throws(DatasetError) {
    if access(path(step: step), F_OK) == 0 { try remove(step: step) }
    guard rename(temporary, path(step: step)) == 0 else {
      throw .system(path(step: step), "cannot be renamed from \(temporary)")
    }
    try AtomicFile.synchronize(directory: path)
  }

  /// Removes what killed saves have left.
  func removeTemporaries() throws(DatasetError) {
    for name in try names() where name.hasPrefix(".step-") { try Self.remove("\(path)/\(name)") }
  }

  /// Removes checkpoints up to a step but for the newest `count` of them.
  func removeAll(upTo step: Int, butLast count: Int) throws(DatasetError) {
    for old in try steps().filter({ $0 <= step }).dropFirst(count) { try remove(step: old) }
  }

  /// What is half removed is not to be taken for a checkpoint: it loses its name first.
  func remove(step: Int) throws(DatasetError) {
    let hidden = temporaryPath(step: step) + ".old"
    guard rename(path(step: step), hidden) == 0 else {
      throw .system(path(step: step), "cannot be removed")
    }
    try Self.remove(hidden)
  }

  /// Removes a directory, or nothing where there is none.
  static func remove(_ directory: String) throws(DatasetError) {
    do { try FileManager.default.removeItem(atPath: directory) } catch {
      guard exists(directory) else { return }
      throw .foundation(directory, "cannot be removed", error)
    }
  }

  private func names() throws(DatasetError) -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      guard Self.exists(path) else { return [] }
      throw .foundation(path, "cannot be read", error)
    }
  }

  /// False only where there is nothing of that name: what cannot be reached for another reason may hold
  /// all that a run has.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 || errno != ENOENT
  }
}

extension DatasetError {
  /// A failure that Foundation tells, in the system's words.
  static func foundation(
    _ path: String, _ problem: String, _ error: any Error
  ) -> DatasetError {
    guard let reason = (error as? CocoaError)?.underlying as? POSIXError else {
      return DatasetError(path, "\(problem): \(error)")
    }
    return .system(path, problem, reason.code.rawValue)
  }
}
