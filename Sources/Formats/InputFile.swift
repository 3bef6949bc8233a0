import FileRecords
import Glibc

/// A regular file open for reading, whole or by ranges as they are needed.
///
/// Every file that a program reads is opened here (`make lint`), and recorded for the ranks to
/// compare. Ranges are read, not mapped: a file that shrinks meanwhile ends in an error instead of
/// a signal.
package final class InputFile: Sendable {
  package let path: String
  /// Size in bytes when the file was opened.
  package let count: Int
  private let descriptor: Int32
  /// Nil for a file that others may go on writing.
  private let stamp: OpenedFiles.Stamp?

  /// - Parameter mayChange: whether others may go on writing it; it is not compared then.
  /// - Throws: `InputError` when there is no such file, it may not be read, or it is a directory
  ///   or another thing that is not a regular file.
  package init(_ path: String, mayChange: Bool = false) throws(InputError) {
    // Without O_NONBLOCK a named pipe would hang here, before it can be refused.
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
    // What the system says of this process or machine is its own.
    guard !mayChange, !path.hasPrefix("/proc/") else { return }
    try OpenedFiles.add(path, stamp) { () throws(InputError) in try record() }
  }

  deinit { close(descriptor) }

  /// All bytes of a file.
  package static func contents(of path: String) throws(InputError) -> [UInt8] {
    let file = try InputFile(path)
    return try file.read(0..<file.count)
  }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// - Throws: `InputError` also where the file is not the one any more that was opened.
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

  /// The bytes of `range` as integers of the machine's byte order, little-endian like the files'.
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
  /// The failure of a system call, the last one unless said otherwise, in the system's words.
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
