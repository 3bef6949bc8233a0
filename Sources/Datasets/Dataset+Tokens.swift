extension Dataset {
  /// A text whose tokens are its bytes; inflated when it starts as gzip data do.
  ///
  /// - Throws: `DatasetError` naming the file that cannot be read or is too short.
  package init(
    name: String, text path: String, contextLength: Int, testFraction: Double
  ) throws(DatasetError) {
    try self.init(
      name: name, tokens: .bytes(try InputFile(path).readInflated()), vocabulary: 256,
      contextLength: contextLength, testFraction: testFraction, unit: "bytes", source: path)
  }

  /// A headerless file of little-endian 16-bit tokens, as tokenizers' scripts write them
  /// (NumPy's `tokens.astype("<u2").tofile(path)`).
  ///
  /// - Parameter vocabulary: every token is below it; up to 65536.
  /// - Throws: `DatasetError` naming the file that cannot be read or is too short, and the first
  ///   token that is none of the vocabulary, with its position.
  package init(
    name: String, tokens path: String, vocabulary: Int, contextLength: Int, testFraction: Double
  ) throws(DatasetError) {
    guard (2...65536).contains(vocabulary) else {
      throw DatasetError(
        "vocabulary", "is none of 16-bit tokens", expected: "2 to 65536", got: "\(vocabulary)")
    }
    let file = try InputFile(path)
    guard file.count % 2 == 0 else {
      throw DatasetError(
        path, "truncated within a token", expected: "an even number of bytes, two a token",
        got: "\(file.count)")
    }
    let tokens: [UInt16] = try file.read(0..<file.count)
    if let position = tokens.firstIndex(where: { Int($0) >= vocabulary }) {
      throw DatasetError(
        path, "token \(position) (byte \(2 * position)) is none of the vocabulary",
        expected: "0 to \(vocabulary - 1)", got: "\(tokens[position])")
    }
    try self.init(
      name: name, tokens: .words(tokens), vocabulary: vocabulary, contextLength: contextLength,
      testFraction: testFraction, unit: "tokens", source: path)
  }

  /// The end of the text is for test.
  private init(
    name: String, tokens: TokenSequences.Tokens, vocabulary: Int, contextLength: Int,
    testFraction: Double,
    unit: String, source: String
  ) throws(DatasetError) {
    guard contextLength > 0 else {
      throw DatasetError("context length", "\(contextLength) is not positive")
    }
    let testCount = try Split(testFraction: testFraction).testCount(
      of: tokens.count, source: source)
    let end = tokens.count - testCount
    func part(_ name: String, _ range: Range<Int>) throws(DatasetError) -> TokenSequences {
      try TokenSequences(
        tokens: tokens, range: range, contextLength: contextLength, vocabulary: vocabulary,
        part: name, source: source)
    }
    try self.init(
      name: name, training: try part("training", 0..<end),
      test: try part("test", end..<tokens.count), noun: "sequences",
      details: " of \(contextLength) \(unit), vocabulary \(vocabulary)")
  }
}

extension InputFile {
  /// The whole file, inflated when it starts as gzip data do, whatever its name.
  func readInflated() throws(DatasetError) -> [UInt8] {
    let bytes: [UInt8] = try read(0..<count)
    guard bytes.starts(with: GzipReader.magic) else { return bytes }
    return try bytes.withUnsafeBufferPointer { compressed throws(DatasetError) in
      var reader = try GzipReader(UnsafeRawBufferPointer(compressed), file: path)
      let inflated = try reader.read(.max)
      try reader.finish()
      return inflated
    }
  }
}
