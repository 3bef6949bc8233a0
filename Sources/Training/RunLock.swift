import Formats
import Foundation

/// The right to write in a run's directory, which one process has at a time: a lock on a file
/// there, in which it says who it is.
final class RunLock {
  private static let fileName = ".lock"
  private let descriptor: Int32

  /// - Throws: `InputError` where another process has it, and says which.
  init(_ directory: String) throws(InputError) {
    let path = "\(directory)/\(Self.fileName)"
    // A network's file system locks what is open for writing alone.
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .system(path, "cannot be made") }
    // File systems without locks have other answers.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw Self.taken(directory)
    }
    let formatter = ISO8601DateFormatter()
    formatter.timeZone = .current
    let word = Array(
      "process \(getpid()) on host \(hostName()), since \(formatter.string(from: Date()))\n".utf8)
    // Who has it is for people: a disk that is full is no reason to stop.
    if pwrite(descriptor, word, word.count, 0) == word.count { ftruncate(descriptor, word.count) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether processes of runs have locked a directory, now or earlier.
  static func isKnown(in directory: String) -> Bool {
    access("\(directory)/\(fileName)", F_OK) == 0
  }

  /// Refuses a directory in which another process writes; writes nothing itself.
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
