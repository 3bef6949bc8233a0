import FileRecords
import Glibc

/// Opens a regular file for reading, as a whole or by ranges on demand.
///
/// Every file that a program reads is opened here (`make lint`) and recorded for the ranks to
/// compare. Ranges are read, not mapped: a file that shrinks during the run gives an error instead
/// of a signal.
package final class InputFile: Sendable {
  package let path: String
  /// Size in bytes when the file was opened.
  package let count: Int
  private let descriptor: Int32
  /// Nil for a file that another process may still write.
  private let stamp: OpenedFiles.Stamp?

  /// Opens a file.
  ///
  /// - Parameter mayChange: another process may still write the file, so ranks do not compare it.
  /// - Throws: `InputError` if the file does not exist, is not readable or is not a regular file.
  package init(_ path: String, mayChange: Bool = false) throws(InputError) {
    // Without O_NONBLOCK, opening a named pipe would hang before it can be refused.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(path, "cannot open") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let error = InputError.system(path, "cannot read its size")
      close(descriptor)
      throw error
    }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG else {
      close(descriptor)
      throw InputError(
        path, kind == S_IFDIR ? "is a directory" : "is not a regular file", expected: "a file")
    }
    self.path = path
    self.descriptor = descriptor
    count = Int(status.st_size)
    let stamp = OpenedFiles.Stamp(status)
    self.stamp = mayChange ? nil : stamp
    // Files in /proc describe this process or machine, so they differ between ranks.
    guard !mayChange, !path.hasPrefix("/proc/") else { return }
    try OpenedFiles.add(path, stamp) { () throws(InputError) in try record() }
  }

  deinit { close(descriptor) }

  /// Reads a whole file.
  package static func contents(of path: String) throws(InputError) -> [UInt8] {
    let file = try InputFile(path)
    return try file.read(0..<file.count)
  }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// - Throws: `InputError`, also if the file has changed since it was opened.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(InputError) {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let received = pread(descriptor, rest.baseAddress, rest.count, offset + done)
      if received < 0 && errno == EINTR { continue }
      guard received >= 0 else { throw .system(path, "cannot read at byte \(offset + done)") }
      guard received > 0 else {
        throw InputError(
          path, "ends early", expected: "\(offset + buffer.count) bytes",
          got: "\(offset + done) bytes")
      }
      done += received
    }
    guard let stamp else { return }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(path, "cannot read its size") }
    guard status.st_size >= count else {
      throw InputError(
        path, "ends early", expected: "\(count) bytes", got: "\(status.st_size) bytes")
    }
    guard OpenedFiles.Stamp(status) == stamp else {
      throw InputError(path, "has changed while it was read")
    }
  }

  /// Reads the bytes of `range` as integers in little-endian order, that of the machine and the
  /// files.
  package func read<Word: FixedWidthInteger>(
    _ range: Range<Int>, as word: Word.Type = Word.self
  ) throws(InputError) -> [Word] {
    let size = MemoryLayout<Word>.size
    precondition(range.count % size == 0, "\(range.count) bytes are not words of \(size) bytes")
    var words = [Word](repeating: 0, count: range.count / size)
    let offset = range.lowerBound
    try words.withUnsafeMutableBufferPointer { buffer throws(InputError) in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return words
  }
}

extension InputError {
  /// Returns the error of a system call, by default the last one, in the system's words.
  public static func system(
    _ path: String, _ problem: String, _ number: Int32 = errno
  ) -> InputError {
    InputError(path, "\(problem): \(String(cString: strerror(number)))")
  }
}

extension OpenedFiles.Stamp {
  package init(_ status: stat) {
    self.init(
      device: UInt64(status.st_dev), number: UInt64(status.st_ino), size: Int(status.st_size),
      seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
  }
}
