import Formats

extension Dataset {
  /// Reads a text whose tokens are its bytes; inflates it if it begins like gzip data.
  ///
  /// - Throws: `InputError` naming the file that cannot be read or is too short.
  package init(
    name: String, text path: String, contextLength: Int, testFraction: Double
  ) throws(InputError) {
    let bytes = try InputFile(path).readInflated()
    // HTML is a text, too.
    if let format = FileFormat(bytes, size: bytes.count, for: .text), format != .html {
      throw format.refusal(of: path, expected: "a text, whose bytes are its tokens")
    }
    try self.init(
      name: name, tokens: .bytes(bytes), vocabulary: 256, contextLength: contextLength,
      testFraction: testFraction, unit: "bytes", source: path)
  }

  /// Reads tokens from a NumPy array, or from a headerless file of little-endian integers as
  /// tokenizer scripts write it.
  ///
  /// - Parameters:
  ///   - type: token type in the file; nil uses the type in an NPY file's header, otherwise 16
  ///     bits.
  ///   - vocabulary: exclusive upper bound of the tokens; at most 2²⁴, up to which single precision
  ///     is exact.
  /// - Throws: `InputError` naming a file that is unreadable, too short or of another format, or
  ///   the first token outside the vocabulary and its position.
  package init(
    name: String, tokens path: String, type: TokenType? = nil, vocabulary: Int,
    contextLength: Int, testFraction: Double
  ) throws(InputError) {
    guard (2...SequenceOptions.largestVocabulary).contains(vocabulary) else {
      throw InputError(
        "vocabulary", "is out of range", expected: "2 to \(SequenceOptions.largestVocabulary)",
        got: "\(vocabulary)")
    }
    let file = try TokenFile(path: path, type: type, vocabulary: vocabulary)
    try self.init(
      name: name, tokens: try file.tokens(below: vocabulary), vocabulary: vocabulary,
      contextLength: contextLength, testFraction: testFraction, unit: "tokens", source: path)
  }

  /// Splits the tokens; the end of the text is the test part.
  private init(
    name: String, tokens: TokenSequences.Tokens, vocabulary: Int, contextLength: Int,
    testFraction: Double,
    unit: String, source: String
  ) throws(InputError) {
    guard contextLength > 0 else {
      throw InputError("context length", "\(contextLength) is not positive")
    }
    let testCount = try Split(testFraction: testFraction).testCount(
      of: tokens.count, source: source)
    let end = tokens.count - testCount
    func part(_ name: String, _ range: Range<Int>) throws(InputError) -> TokenSequences {
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
  /// Returns the whole file, inflated if it begins like gzip data, whatever its name.
  func readInflated() throws(InputError) -> [UInt8] {
    let bytes: [UInt8] = try read(0..<count)
    guard bytes.starts(with: GzipReader.magic) else { return bytes }
    return try bytes.withUnsafeBufferPointer { compressed throws(InputError) in
      var reader = try GzipReader(UnsafeRawBufferPointer(compressed), file: path)
      let inflated = try reader.read(.max)
      try reader.finish()
      return inflated
    }
  }
}
