import Formats
import Foundation
import MPI

/// A directory that holds the checkpoints of a training run, or of the stages of pruning, by
/// number.
///
/// Each checkpoint is itself a directory. It gets its name when all its files are complete and on
/// the disk. A killed process therefore leaves either the previous checkpoint or the new one. The
/// record of a checkpoint is written last: it holds the digests of the other files and ends with
/// its own (`SealedJSON`).
package struct CheckpointDirectory: Sendable {
  /// Path of the directory, which need not exist.
  package let path: String
  private let name: String
  private let digits: Int

  /// Refers to the checkpoints of a training run, by step: `checkpoints/step-00001200` in its
  /// directory.
  package init(ofRun directory: String) {
    (path, name, digits) = ("\(directory)/checkpoints", "step", 8)
  }

  /// Refers to the checkpoints of pruning, by stage: `stage-2`.
  package init(ofStagesIn path: String) {
    (self.path, name, digits) = (path, "stage", 1)
  }

  /// Returns the path of a step's checkpoint.
  package func path(step: Int) -> String { "\(path)/\(name)-\(padded(step, digits))" }

  /// Returns the path at which a checkpoint is written first. The names of complete checkpoints do
  /// not begin with a dot.
  private func temporaryPath(step: Int) -> String {
    "\(path)/.\(name)-\(padded(step, digits)).tmp"
  }

  /// Returns the steps that have checkpoints, whole or damaged, newest first.
  ///
  /// - Throws: `InputError` if the directory cannot be read. A missing directory has no
  ///   checkpoints.
  package func steps() throws(InputError) -> [Int] {
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
  ///   - record: the file name of the checkpoint's record.
  ///   - write: writes all files but the record into a directory, on the ranks that hold the data.
  ///     Returns the text of the record; rank 0's text is used. Collective.
  /// - Throws: on all ranks together if one of them cannot write. The incomplete checkpoint is
  ///   removed, and the earlier ones remain.
  package func save(
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

  /// Gives a complete checkpoint its name. An existing checkpoint of that step was passed over when
  /// the run resumed, and the steps were taken again; it is replaced.
  private func take(_ temporary: String, step: Int) throws(InputError) {
    if access(path(step: step), F_OK) == 0 { try remove(step: step) }
    guard rename(temporary, path(step: step)) == 0 else {
      throw .system(path(step: step), "cannot be renamed from \(temporary)")
    }
    try AtomicFile.synchronize(directory: path)
  }

  /// Removes the incomplete checkpoints that killed processes have left.
  package func removeTemporaries() throws(InputError) {
    for name in try names() where name.hasPrefix(".\(self.name)-") {
      try Self.remove("\(path)/\(name)")
    }
  }

  /// Removes the checkpoints up to a step, except the newest `count` of them.
  package func removeAll(upTo step: Int, butLast count: Int) throws(InputError) {
    for old in try steps().filter({ $0 <= step }).dropFirst(count) { try remove(step: old) }
  }

  /// Removes a checkpoint. It is renamed first: a half-removed checkpoint is never taken for a
  /// whole one.
  package func remove(step: Int) throws(InputError) {
    let hidden = temporaryPath(step: step) + ".old"
    guard rename(path(step: step), hidden) == 0 else {
      throw .system(path(step: step), "cannot be removed")
    }
    try Self.remove(hidden)
  }

  /// Removes a directory; does nothing if it does not exist.
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

  /// Returns false only if nothing has that name. A path that cannot be reached for another reason
  /// may hold all checkpoints of a run, and counts as existing.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 || errno != ENOENT
  }
}
