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
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { String(path[...$0]) } ?? "./"
    let temporary = freeName(in: directory)
    let file: OutputFile
    do throws(DatasetError) { file = try OutputFile(temporary) } catch {
      throw named(path, error)
    }
    do throws(DatasetError) {
      for piece in pieces { try file.write(piece) }
      try file.finish()
      guard rename(temporary, path) == 0 else { throw .system(path, "cannot replace") }
    } catch {
      unlink(temporary)
      throw named(path, error)
    }
    try synchronize(directory: directory)
  }

  /// What nobody else uses.
  private static func freeName(in directory: String) -> String {
    let names = (0..<1000).map { "\(directory).swift-mfac-\(getpid())-\($0).tmp" }
    return names.first { access($0, F_OK) != 0 } ?? names[0]
  }

  /// The user knows the file, not what it is called meanwhile.
  private static func named(_ path: String, _ error: DatasetError) -> DatasetError {
    DatasetError(path, error.problem, expected: error.expected, got: error.got)
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

  /// Makes a directory, and those above it that are not there.
  public static func makeDirectories(_ path: String) throws(DatasetError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += "\(part)/"
      guard mkdir(made, 0o777) == 0 || errno == EEXIST || access(made, X_OK) == 0 else {
        throw .system(path, "cannot make the directory")
      }
    }
  }
}
