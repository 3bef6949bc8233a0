import Formats

extension Dataset {
  /// A text whose tokens are its bytes; inflated when it starts as gzip data do.
  ///
  /// - Throws: `InputError` naming the file that cannot be read or is too short.
  package init(
    name: String, text path: String, contextLength: Int, testFraction: Double
  ) throws(InputError) {
    let bytes = try InputFile(path).readInflated()
    // A page of HTML is a text like any other.
    if let format = FileFormat(bytes, size: bytes.count, for: .text), format != .html {
      throw format.refusal(of: path, expected: "a text, whose bytes are its tokens")
    }
    try self.init(
      name: name, tokens: .bytes(bytes), vocabulary: 256, contextLength: contextLength,
      testFraction: testFraction, unit: "bytes", source: path)
  }

  /// A NumPy array of tokens, or a headerless file of little-endian ones, as tokenizers' scripts
  /// write them.
  ///
  /// - Parameters:
  ///   - type: how the file stores a token; nil for what an NPY file says, else 16 bits.
  ///   - vocabulary: every token is below it; up to 2²⁴, which single precision counts to.
  /// - Throws: `InputError` naming the file that cannot be read, is of another format or is too
  ///   short, and the first token that is none of the vocabulary, with its position.
  package init(
    name: String, tokens path: String, type: TokenType? = nil, vocabulary: Int,
    contextLength: Int, testFraction: Double
  ) throws(InputError) {
    guard (2...SequenceOptions.largestVocabulary).contains(vocabulary) else {
      throw InputError(
        "vocabulary", "is none of tokens", expected: "2 to \(SequenceOptions.largestVocabulary)",
        got: "\(vocabulary)")
    }
    let file = try TokenFile(path: path, type: type, vocabulary: vocabulary)
    try self.init(
      name: name, tokens: try file.tokens(below: vocabulary), vocabulary: vocabulary,
      contextLength: contextLength, testFraction: testFraction, unit: "tokens", source: path)
  }

  /// The end of the text is for test.
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
  /// The whole file, inflated when it starts as gzip data do, whatever its name.
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
