import Glibc

/// Appends whole records to a file. A record that cannot be written waits and is written before the
/// next one.
package final class GrowingFile {
  package let path: String
  private let descriptor: Int32
  /// Length of the whole records in bytes.
  package private(set) var length = 0
  private var pending: [UInt8] = []

  /// Opens or creates a file; new records overwrite its content from the start.
  ///
  /// - Parameter mustBeNew: refuses an existing file.
  /// - Returns: nil if the file must be new and exists.
  /// - Throws: `InputError` if the file cannot be created.
  package init?(_ path: String, mustBeNew: Bool = false) throws(InputError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (mustBeNew ? O_EXCL : 0), 0o666)
    if descriptor < 0 {
      if mustBeNew, errno == EEXIST { return nil }
      throw .system(path, "cannot be made")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Continues after the last whole line in the first `bytes` bytes, and truncates the file there.
  package func goOn(afterLinesWithin bytes: Int) throws(InputError) {
    length = endOfLines(within: bytes)
    guard ftruncate(descriptor, length) == 0 else {
      throw .system(path, "cannot be truncated at byte \(length)")
    }
  }

  /// Returns the end of the last whole line in the first `bytes` bytes. The file may have been
  /// truncated.
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
  /// - Throws: `InputError` if it cannot be written; the record waits and is written before the
  ///   next.
  package func append(_ record: [UInt8]) throws(InputError) {
    pending += record
    try write()
  }

  /// Writes waiting records and syncs the file to the disk.
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
        // Remove a partly written record.
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
