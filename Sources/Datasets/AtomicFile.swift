import Glibc

/// Writes files and directories so that a name never stands for half of one.
public enum AtomicFile {
  /// Writes `pieces` one after the other to a temporary file in the same directory, brings it to
  /// the disk and renames it to `path`, replacing what was there.
  ///
  /// - Throws: `DatasetError` with the system's reason; the temporary file is removed, and what was
  ///   under the name before remains.
  public static func write(
    _ pieces: [UnsafeRawBufferPointer], to path: String
  ) throws(DatasetError) {
    try write(to: path) { file throws(DatasetError) in
      for piece in pieces { try file.write(piece) }
    }
  }

  /// The same of what `body` writes.
  public static func write(
    to path: String, _ body: (OutputFile) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { String(path[...$0]) } ?? "./"
    let temporary = freeName(in: directory)
    let file: OutputFile
    do throws(DatasetError) { file = try OutputFile(temporary) } catch {
      throw named(path, insteadOf: temporary, error)
    }
    do throws(DatasetError) {
      try body(file)
      try file.finish()
      guard rename(temporary, path) == 0 else { throw .system(path, "cannot replace") }
    } catch {
      unlink(temporary)
      throw named(path, insteadOf: temporary, error)
    }
    try synchronize(directory: directory)
  }

  /// The user knows the file, not what it is called meanwhile.
  private static func named(
    _ path: String, insteadOf temporary: String, _ error: DatasetError
  ) -> DatasetError {
    error.subject == temporary
      ? DatasetError(path, error.problem, expected: error.expected, got: error.got) : error
  }

  /// What nobody else uses.
  private static func freeName(in directory: String) -> String {
    let names = (0..<1000).map { "\(directory).swift-mfac-\(getpid())-\($0).tmp" }
    return names.first { access($0, F_OK) != 0 } ?? names[0]
  }

  /// Brings what was made, renamed or removed in `directory` to the disk.
  public static func synchronize(directory: String) throws(DatasetError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(directory, "cannot open") }
    defer { close(descriptor) }
    // EINVAL: a file system that has nothing to do for a directory.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(directory, "cannot write to disk")
    }
  }
}
