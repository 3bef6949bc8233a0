import Synchronization

/// The files that this process has opened for reading, for the ranks to compare.
///
/// Whoever opens a file adds to it, and every agreement of the ranks takes from it: neither knows
/// the other, so that a new reader is compared without a line of its own.
package enum OpenedFiles {
  /// What tells whether a file is the one that was opened before.
  package struct Stamp: Equatable, Sendable {
    let device: UInt64
    let number: UInt64
    let size: Int
    let seconds: Int
    let nanoseconds: Int

    /// - Parameters:
    ///   - number: of the file on its device.
    ///   - seconds: with `nanoseconds`, when it was last written.
    package init(device: UInt64, number: UInt64, size: Int, seconds: Int, nanoseconds: Int) {
      (self.device, self.number, self.size) = (device, number, size)
      (self.seconds, self.nanoseconds) = (seconds, nanoseconds)
    }
  }

  private struct State {
    /// One rank alone has nobody to compare with.
    var isKept = true
    var known: [String: Stamp] = [:]
    /// In the order of their opening.
    var untold: [FileRecord] = []
  }

  private static let state = Mutex(State())

  /// Keeps the record of a file, unless it has been kept before.
  ///
  /// - Parameter make: makes it, where it is wanted.
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

  /// The records that have not been taken yet.
  package static func take() -> [FileRecord] {
    state.withLock { state in
      defer { state.untold = [] }
      return state.untold
    }
  }

  /// Forgets all records, and keeps none from now on: this process is the only rank.
  package static func stop() { state.withLock { $0 = State(isKept: false) } }
}
