/// Reads small UTF-8 text files of settings.
package enum TextFile {
  /// The largest accepted size in bytes.
  package static let largest = 1 << 20

  /// Returns the text without a leading byte order mark.
  ///
  /// - Throws: `InputError` if the file does not exist, is not a regular file, has another format,
  ///   is larger than `largest` bytes, or is not UTF-8.
  package static func read(_ path: String) throws(InputError) -> String {
    let file = try InputFile(path)
    try FileFormat.refuse(
      try file.start(), size: file.count, of: path, for: .text, expected: "a settings file in UTF-8"
    )
    guard file.count <= largest else {
      throw InputError(
        path, "too large for a settings file", expected: "at most \(largest) bytes",
        got: "\(file.count)")
    }
    let bytes: [UInt8] = try file.read(0..<file.count)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw InputError(path, "is not UTF-8 text")
    }
    return text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
  }
}
