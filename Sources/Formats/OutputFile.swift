import Glibc

/// Writes a new file.
public final class OutputFile {
  public let path: String
  private let descriptor: Int32
  private let digest: SHA256?
  private var count = 0
  private var isOpen = true

  /// Creates a file.
  ///
  /// - Parameter digest: receives all written bytes.
  /// - Throws: `InputError` if the file exists or cannot be created.
  public init(_ path: String, digest: SHA256? = nil) throws(InputError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .system(path, "cannot create a file in its directory") }
    self.path = path
    self.descriptor = descriptor
    self.digest = digest
  }

  deinit { if isOpen { close(descriptor) } }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
    digest?.add(bytes)
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

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(InputError) {
    try bytes.withUnsafeBufferPointer { bytes throws(InputError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Syncs the file to the disk and closes it.
  ///
  /// - Returns: its size in bytes.
  @discardableResult
  public func finish() throws(InputError) -> Int {
    guard fsync(descriptor) == 0 else { throw .system(path, "cannot write to disk") }
    isOpen = false
    guard close(descriptor) == 0 else { throw .system(path, "cannot write") }
    return count
  }
}
