import Formats
import Glibc

/// A file that grows by whole records: one that cannot be written waits, and goes before the next.
package final class GrowingFile {
  package let path: String
  private let descriptor: Int32
  /// Bytes of whole records.
  package private(set) var length = 0
  private var pending: [UInt8] = []

  /// Opens a file, or makes it; what is in it is written over from its start.
  ///
  /// - Parameter mustBeNew: refuse one that is there.
  /// - Returns: nil where one is there that must not be.
  /// - Throws: `InputError` where it cannot be made.
  package init?(_ path: String, mustBeNew: Bool = false) throws(InputError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (mustBeNew ? O_EXCL : 0), 0o666)
    if descriptor < 0 {
      if mustBeNew, errno == EEXIST { return nil }
      throw .system(path, "cannot be made")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Goes on after the whole lines in the first bytes of the file; what follows them is cut off.
  package func goOn(afterLinesWithin bytes: Int) throws(InputError) {
    length = endOfLines(within: bytes)
    guard ftruncate(descriptor, length) == 0 else {
      throw .system(path, "cannot be cut at byte \(length)")
    }
  }

  /// The end of the last whole line in the first bytes. Somebody may have cut it.
  private func endOfLines(within bytes: Int) -> Int {
    var end = min(bytes, Int(lseek(descriptor, 0, SEEK_END)))
    var last: UInt8 = 0
    while end > 0, pread(descriptor, &last, 1, end - 1) == 1, last != UInt8(ascii: "\n") {
      end -= 1
    }
    return end
  }

  /// Appends a record.
  ///
  /// - Throws: `InputError` where it cannot be written; it is kept, and goes before the next.
  package func append(_ record: [UInt8]) throws(InputError) {
    pending += record
    try write()
  }

  /// Brings all records to the disk.
  package func synchronize() throws(InputError) {
    try write()
    guard fsync(descriptor) == 0 else { throw failure }
  }

  private func write() throws(InputError) {
    guard !pending.isEmpty else { return }
    var done = 0
    while done < pending.count {
      let written = pending[done...].withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress, $0.count, length + done)
      }
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else {
        let failure = failure
        // Half a record is none.
        ftruncate(descriptor, length)
        throw failure
      }
      done += written
    }
    length += done
    pending = []
  }

  private var failure: InputError { .system(path, "cannot be written") }
}
