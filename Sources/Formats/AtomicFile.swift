import Glibc

/// Writes files and directories atomically: a name never refers to a partial one.
package enum AtomicFile {
  /// Writes a temporary file in the same directory, syncs it to the disk and renames it to `path`,
  /// replacing any existing file.
  ///
  /// - Parameter fill: writes the content.
  /// - Throws: `InputError` with the system's reason. The temporary file is then removed, and an
  ///   existing file under the name is unchanged.
  package static func write(
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

  /// Returns an unused name.
  private static func freeName(in directory: String) -> String {
    func name(_ number: Int) -> String {
      "\(directory)\(temporaryPrefix)\(getpid())-\(number)\(temporarySuffix)"
    }
    return name((0..<1000).first { access(name($0), F_OK) != 0 } ?? 0)
  }

  /// Returns true for the name of a temporary file, which a killed process may have left.
  package static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(temporaryPrefix) && name.hasSuffix(temporarySuffix)
  }

  private static let temporaryPrefix = ".swift-mfac-"
  private static let temporarySuffix = ".tmp"

  /// Syncs a directory to the disk after entries were created, renamed or removed.
  package static func synchronize(directory: String) throws(InputError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // The process may create files in this directory but not list it: the system syncs it later.
    if descriptor < 0 && errno == EACCES { return }
    guard descriptor >= 0 else { throw .system(directory, "cannot open") }
    defer { close(descriptor) }
    // EINVAL: the file system cannot sync directories and need not.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(directory, "cannot write to disk")
    }
  }

  /// Creates a directory and its missing parents.
  package static func makeDirectories(_ path: String) throws(InputError) {
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
  /// Names the file that the user knows instead of the temporary one.
  fileprivate func naming(_ path: String, insteadOf temporary: String) -> InputError {
    subject == "\(temporary)"
      ? InputError(path, problem, expected: expected, got: got) : self
  }
}

/// Pads a number with leading zeros so that file names sort like their numbers.
package func padded(_ number: Int, _ width: Int) -> String {
  String(repeating: "0", count: max(width - "\(number)".count, 0)) + "\(number)"
}
