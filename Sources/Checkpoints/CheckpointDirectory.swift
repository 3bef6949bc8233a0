import Formats
import Foundation
import MPI

/// The checkpoints of a run or of a pruning, numbered by its steps, in a directory of their own.
///
/// Each is a directory of files. It appears under its name when all of them are complete and on the
/// disk, so that a process that is killed leaves one checkpoint or the next. The record of a
/// checkpoint is written last: it has the digests of the other files, and ends with its own
/// (`SealedJSON`).
public struct CheckpointDirectory: Sendable {
  /// The path of the directory, which need not exist.
  public let path: String
  private let name: String
  private let digits: Int

  /// The checkpoints of the run with that directory, by steps of training:
  /// `checkpoints/step-00001200`.
  public init(ofRun directory: String) {
    (path, name, digits) = ("\(directory)/checkpoints", "step", 8)
  }

  /// The checkpoints of a pruning, by its stages: `stage-2`.
  public init(ofStagesIn path: String) {
    (self.path, name, digits) = (path, "stage", 1)
  }

  /// The directory that holds the checkpoint of a step.
  public func path(step: Int) -> String { "\(path)/\(name)-\(padded(step, digits))" }

  /// A checkpoint is written here first: no checkpoint's name begins with a dot.
  private func temporaryPath(step: Int) -> String {
    "\(path)/.\(name)-\(padded(step, digits)).tmp"
  }

  /// The steps of which there are checkpoints, whole or damaged, the newest first.
  ///
  /// - Throws: `InputError` where the directory cannot be read; where there is none, there are
  ///   none.
  public func steps() throws(InputError) -> [Int] {
    try names().compactMap { name in
      guard name.hasPrefix("\(self.name)-"), let step = Int(name.dropFirst(self.name.count + 1)),
        step >= 0, self.path(step: step) == "\(path)/\(name)"
      else { return nil }
      return step
    }.sorted(by: >)
  }

  /// Saves a checkpoint. Collective.
  ///
  /// - Parameters:
  ///   - record: the name of the file of its record.
  ///   - write: writes all files but the record into a directory, on whichever ranks have them, and
  ///     returns the text of the record, which counts on rank 0. Collective.
  /// - Throws: on all ranks together where one of them cannot write; nothing is left of the
  ///   checkpoint then, and those that there were remain.
  public func save(
    step: Int, record: String, on world: Communicator, _ write: (String) throws -> String
  ) throws {
    let isFirst = world.rank == 0
    let temporary = temporaryPath(step: step)
    do {
      try world.agree {
        guard isFirst else { return }
        try make()
        try Self.remove(temporary)
        guard mkdir(temporary, 0o777) == 0 else {
          throw InputError.system(temporary, "cannot be made")
        }
      }
      let text = try write(temporary)
      try world.agree {
        guard isFirst else { return }
        let file = try OutputFile("\(temporary)/\(record)")
        try file.write(Array(text.utf8))
        try file.finish()
        try AtomicFile.synchronize(directory: temporary)
        try take(temporary, step: step)
      }
    } catch {
      if isFirst { try? Self.remove(temporary) }
      throw error
    }
  }

  private func make() throws(InputError) {
    if mkdir(path, 0o777) == 0 { return try AtomicFile.synchronize(directory: "\(path)/..") }
    guard errno == EEXIST else { throw .system(path, "cannot be made") }
  }

  /// Gives a complete checkpoint its name. One that has it already is of steps that were taken
  /// anew, and was passed over when they were: it goes.
  private func take(_ temporary: String, step: Int) throws(InputError) {
    if access(path(step: step), F_OK) == 0 { try remove(step: step) }
    guard rename(temporary, path(step: step)) == 0 else {
      throw .system(path(step: step), "cannot be renamed from \(temporary)")
    }
    try AtomicFile.synchronize(directory: path)
  }

  /// Removes what killed saves have left.
  package func removeTemporaries() throws(InputError) {
    for name in try names() where name.hasPrefix(".\(self.name)-") {
      try Self.remove("\(path)/\(name)")
    }
  }

  /// Removes checkpoints up to a step but for the newest `count` of them.
  package func removeAll(upTo step: Int, butLast count: Int) throws(InputError) {
    for old in try steps().filter({ $0 <= step }).dropFirst(count) { try remove(step: old) }
  }

  /// A checkpoint loses its name before it is removed: half of one is never taken for a whole.
  package func remove(step: Int) throws(InputError) {
    let hidden = temporaryPath(step: step) + ".old"
    guard rename(path(step: step), hidden) == 0 else {
      throw .system(path(step: step), "cannot be removed")
    }
    try Self.remove(hidden)
  }

  /// Removes a directory, or nothing where there is none.
  package static func remove(_ directory: String) throws(InputError) {
    do { try FileManager.default.removeItem(atPath: directory) } catch {
      guard exists(directory) else { return }
      throw .foundation(directory, "cannot be removed", error)
    }
  }

  private func names() throws(InputError) -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      guard Self.exists(path) else { return [] }
      throw .foundation(path, "cannot be read", error)
    }
  }

  /// False only where there is nothing of that name: what cannot be reached for another reason may
  /// hold all that a run has.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 || errno != ENOENT
  }
}
