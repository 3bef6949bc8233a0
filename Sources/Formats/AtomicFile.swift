import Glibc

/// Writes files and directories so that a name never stands for half of one.
public enum AtomicFile {
  /// Writes a temporary file in the same directory, brings it to the disk and renames it to `path`,
  /// replacing what was there.
  ///
  /// - Parameter fill: writes the content.
  /// - Throws: `InputError` with the system's reason; the temporary file is removed, and what was
  ///   under the name before remains.
  public static func write(
    to path: String, _ fill: (OutputFile) throws(InputError) -> Void
  ) throws(InputError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { String(path[...$0]) } ?? "./"
    let temporary = freeName(in: directory)
    let file: OutputFile
    do throws(InputError) { file = try OutputFile(temporary) } catch {
      throw error.naming(path, insteadOf: temporary)
    }
    do throws(InputError) {
      try fill(file)
      try file.finish()
      guard rename(temporary, path) == 0 else { throw .system(path, "cannot replace") }
    } catch {
      unlink(temporary)
      throw error.naming(path, insteadOf: temporary)
    }
    try synchronize(directory: directory)
  }

  /// A name that nobody else uses.
  private static func freeName(in directory: String) -> String {
    func name(_ number: Int) -> String {
      "\(directory)\(temporaryPrefix)\(getpid())-\(number)\(temporarySuffix)"
    }
    return name((0..<1000).first { access(name($0), F_OK) != 0 } ?? 0)
  }

  /// Whether a file of that name is what a process that was killed has left.
  public static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(temporaryPrefix) && name.hasSuffix(temporarySuffix)
  }

  private static let temporaryPrefix = ".swift-mfac-"
  private static let temporarySuffix = ".tmp"

  /// Brings what was made, renamed or removed in `directory` to the disk.
  public static func synchronize(directory: String) throws(InputError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // One in which files may be made, but not listed, is left to the system.
    if descriptor < 0 && errno == EACCES { return }
    guard descriptor >= 0 else { throw .system(directory, "cannot open") }
    defer { close(descriptor) }
    // EINVAL: a file system that has nothing to do for a directory.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(directory, "cannot write to disk")
    }
  }

  /// Makes a directory, and those above it that are not there.
  public static func makeDirectories(_ path: String) throws(InputError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += "\(part)/"
      if mkdir(made, 0o777) == 0 {
        try synchronize(directory: "\(made)..")
        continue
      }
      let reason = errno
      guard reason == EEXIST || access(made, X_OK) == 0 else {
        throw .system(path, "cannot make the directory", reason)
      }
    }
  }
}

extension InputError {
  /// The user knows the file, not what it is called meanwhile.
  fileprivate func naming(_ path: String, insteadOf temporary: String) -> InputError {
    subject == "\(temporary)"
      ? InputError(path, problem, expected: expected, got: got) : self
  }
}

/// A number with zeros before it, so that names of files sort as their numbers do.
package func padded(_ number: Int, _ width: Int) -> String {
  String(repeating: "0", count: max(width - "\(number)".count, 0)) + "\(number)"
}
