/// Sequences of a long text, each position of which is to tell the token after it.
///
///   S   tokens in a sequence
///   N   tokens of this part
///
/// Sequence i is tokens i·S to i·S + S − 1, and its classes are tokens i·S + 1 to i·S + S; there are
/// (N − 1)/S of them, and what is left over is dropped.
public struct TokenSequences<Token: FixedWidthInteger & UnsignedInteger & Sendable>: Examples {
  /// Of both parts; each below `vocabulary`.
  public let tokens: [Token]
  /// Where this part lies in `tokens`.
  public let range: Range<Int>
  /// S
  public let contextLength: Int
  public let vocabulary: Int
  public let source: String

  public let count: Int
  public var inputShape: [Int] { [contextLength] }
  public var targets: TargetKind { .classes(count: vocabulary, positions: contextLength) }
  public var byteCount: Int { range.count * MemoryLayout<Token>.size }

  /// - Throws: `DatasetError` when there is not one sequence in the part.
  public init(
    tokens: [Token], range: Range<Int>, contextLength: Int, vocabulary: Int, part: String,
    source: String
  ) throws(DatasetError) {
    precondition(contextLength > 0, "sequences of \(contextLength) tokens")
    precondition(tokens.indices.contains(range), "part \(range) of \(tokens.count) tokens")
    guard range.count > contextLength else {
      throw DatasetError(
        source, "its \(part) part is too short for one sequence of \(contextLength) tokens",
        expected: "at least \(contextLength + 1) tokens",
        got: "\(range.count) of \(tokens.count)")
    }
    self.tokens = tokens
    self.range = range
    self.contextLength = contextLength
    self.vocabulary = vocabulary
    self.source = source
    count = (range.count - 1) / contextLength
  }

  public func fill(
    inputs: UnsafeMutableBufferPointer<Float>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    check(inputs.count, indices, size: contextLength)
    write(indices, after: 0) { inputs[$0] = Float($1) }
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    check(classes.count, indices, size: contextLength)
    write(indices, after: 1) { classes[$0] = Int32($1) }
  }

  @inline(__always)
  private func write(
    _ indices: ArraySlice<Int>, after offset: Int, _ put: (_ place: Int, Token) -> Void
  ) {
    tokens.withUnsafeBufferPointer { tokens in
      var place = 0
      for index in indices {
        let start = range.lowerBound + index * contextLength + offset
        for position in start..<start + contextLength {
          put(place, tokens[position])
          place += 1
        }
      }
    }
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    tokens[range].withUnsafeBytes(body)
  }
}

extension Range<Int> {
  fileprivate func contains(_ other: Range<Int>) -> Bool {
    other.lowerBound >= lowerBound && other.upperBound <= upperBound
  }
}
