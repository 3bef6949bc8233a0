import Glibc

/// Writes a file so that its name never stands for half of it.
public enum AtomicFile {
  /// Writes `pieces` one after the other to a temporary file in the same directory, brings it to
  /// the disk and renames it to `path`, replacing what was there.
  ///
  /// - Throws: `DatasetError` with the system's reason; the temporary file is removed, and what was
  ///   under the name before remains.
  public static func write(
    _ pieces: [UnsafeRawBufferPointer], to path: String
  ) throws(DatasetError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { String(path[...$0]) } ?? "./"
    let temporary = try createTemporaryFile(in: directory, for: path)
    do throws(DatasetError) {
      do throws(DatasetError) {
        for piece in pieces { try write(piece, to: temporary.descriptor, for: path) }
        guard fsync(temporary.descriptor) == 0 else { throw .system(path, "cannot write to disk") }
      } catch {
        close(temporary.descriptor)
        throw error
      }
      guard close(temporary.descriptor) == 0 else { throw .system(path, "cannot write") }
      guard rename(temporary.path, path) == 0 else { throw .system(path, "cannot replace") }
    } catch {
      unlink(temporary.path)
      throw error
    }
    try synchronize(directory: directory)
  }

  /// A new file under a name that nobody else uses.
  private static func createTemporaryFile(
    in directory: String, for path: String
  ) throws(DatasetError) -> (path: String, descriptor: Int32) {
    for attempt in 0..<1000 {
      let temporary = "\(directory).swift-mfac-\(getpid())-\(attempt).tmp"
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (temporary, descriptor) }
      guard errno == EEXIST else { break }
    }
    throw .system(path, "cannot create a file in its directory")
  }

  private static func write(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, for path: String
  ) throws(DatasetError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(
        descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else { throw .system(path, "cannot write") }
      rest = rest.dropFirst(written)
    }
  }

  /// Brings a rename in `directory` to the disk.
  private static func synchronize(directory: String) throws(DatasetError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(directory, "cannot open") }
    defer { close(descriptor) }
    // EINVAL: a file system that has nothing to do for a directory.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(directory, "cannot write to disk")
    }
  }
}
