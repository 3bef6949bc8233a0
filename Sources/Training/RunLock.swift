import Formats
import Foundation

/// Locks a run's directory, so that only one process at a time writes there. The lock is held on a
/// file in the directory, whose text names the process.
final class RunLock {
  private static let fileName = ".lock"
  private let descriptor: Int32

  /// Takes the lock.
  ///
  /// - Throws: `InputError` naming the other process that holds it.
  init(_ directory: String) throws(InputError) {
    let path = "\(directory)/\(Self.fileName)"
    // Network file systems lock only files that are open for writing.
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .system(path, "cannot be made") }
    // File systems without locks give other errors, and the run continues without a lock.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw Self.taken(directory)
    }
    let formatter = ISO8601DateFormatter()
    formatter.timeZone = .current
    let word = Array(
      "process \(getpid()) on host \(hostName()), since \(formatter.string(from: Date()))\n".utf8)
    // The text is only for information, so a full disk is not an error here.
    if pwrite(descriptor, word, word.count, 0) == word.count { ftruncate(descriptor, word.count) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Returns true if a process has ever locked a directory.
  static func isKnown(in directory: String) -> Bool {
    access("\(directory)/\(fileName)", F_OK) == 0
  }

  /// Refuses a directory in which another process writes; writes nothing.
  static func checkIsFree(_ directory: String) throws(InputError) {
    let descriptor = open("\(directory)/\(fileName)", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw taken(directory)
    }
  }

  private static func taken(_ directory: String) -> InputError {
    let word = (try? TextFile.read("\(directory)/\(fileName)"))?.split(separator: "\n").first
    return InputError(directory, "another run is writing there" + (word.map { ": \($0)" } ?? ""))
  }
}
