import Synchronization

/// Records the files that this process has opened for reading, for comparison between ranks.
///
/// Code that opens a file adds a record, and every agreement of the ranks takes the new records.
/// Neither depends on the other, so a new reader is compared without extra code.
package enum OpenedFiles {
  /// Identifies a version of a file: it changes if the file is replaced or written.
  package struct Stamp: Equatable, Sendable {
    let device: UInt64
    let number: UInt64
    let size: Int
    let seconds: Int
    let nanoseconds: Int

    /// Creates a stamp from a file's metadata.
    ///
    /// - Parameters:
    ///   - number: inode number on the device.
    ///   - seconds: time of the last write, together with `nanoseconds`.
    package init(device: UInt64, number: UInt64, size: Int, seconds: Int, nanoseconds: Int) {
      (self.device, self.number, self.size) = (device, number, size)
      (self.seconds, self.nanoseconds) = (seconds, nanoseconds)
    }
  }

  private struct State {
    /// False if this process is the only rank: it has no rank to compare with.
    var isKept = true
    var known: [String: Stamp] = [:]
    /// Records that no agreement has taken yet, in the order of opening.
    var untold: [FileRecord] = []
  }

  private static let state = Mutex(State())

  /// Adds the record of a file, unless this version of it has been added before.
  ///
  /// - Parameter make: makes the record; called only if the record is needed.
  package static func add<Failure: Error>(
    _ path: String, _ stamp: Stamp, _ make: () throws(Failure) -> FileRecord
  ) throws(Failure) {
    guard state.withLock({ $0.isKept && $0.known[path] != stamp }) else { return }
    let record = try make()
    state.withLock {
      $0.known[path] = stamp
      $0.untold.append(record)
    }
  }

  /// Returns the records that have not been taken yet, and marks them as taken.
  package static func take() -> [FileRecord] {
    state.withLock { state in
      defer { state.untold = [] }
      return state.untold
    }
  }

  /// Discards all records and stops recording, because this process is the only rank.
  package static func stop() { state.withLock { $0 = State(isKept: false) } }
}
