import Glibc

/// A new file that is being written.
public final class OutputFile {
  public let path: String
  private let descriptor: Int32
  private let digest = SHA256()
  private var count = 0
  private var isOpen = true

  /// - Throws: `DatasetError` where there is a file of that name already, or none can be made.
  public init(_ path: String) throws(DatasetError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .system(path, "cannot create a file in its directory") }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { if isOpen { close(descriptor) } }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(DatasetError) {
    digest.add(bytes)
    count += bytes.count
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(
        descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else { throw .system(path, "cannot write") }
      rest = rest.dropFirst(written)
    }
  }

  /// Brings the file to the disk, and closes it.
  ///
  /// - Returns: its size, and the SHA-256 digest of what was written.
  @discardableResult
  public func finish() throws(DatasetError) -> (bytes: Int, digest: String) {
    guard fsync(descriptor) == 0 else { throw .system(path, "cannot write to disk") }
    isOpen = false
    guard close(descriptor) == 0 else { throw .system(path, "cannot write") }
    return (count, digest.finish())
  }
}
