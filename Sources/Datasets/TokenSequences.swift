import Formats
import LinearAlgebra

/// Cuts a long text into sequences; the target at each position is the next token.
///
///     S   tokens in a sequence
///     N   tokens of this part
///
/// Sequence i is tokens i·S to i·S + S − 1, and its classes are tokens i·S + 1 to i·S + S. There
/// are ⌊(N − 1)/S⌋ sequences; the remaining tokens are dropped.
public struct TokenSequences: Examples {
  /// Stores tokens in the smallest type that fits. (A type parameter would leave `fill`
  /// unspecialised.)
  public enum Tokens: Sendable, Equatable {
    case bytes([UInt8])
    case words([UInt16])
    case longWords([UInt32])

    /// Number of tokens.
    public var count: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .words(let words): words.count
      case .longWords(let words): words.count
      }
    }
  }

  /// Tokens of both parts, each below `vocabulary`.
  public let tokens: Tokens
  /// Range of this part in `tokens`.
  public let range: Range<Int>
  /// S, tokens in a sequence.
  public let contextLength: Int
  /// Exclusive upper bound of the tokens.
  public let vocabulary: Int
  public let source: String

  public let count: Int
  public var inputShape: [Int] { [contextLength] }
  /// The next token at each position.
  public var targets: TargetKind { .classes(count: vocabulary, positions: contextLength) }
  public var byteCount: Int {
    switch tokens {
    case .bytes: range.count
    case .words: range.count * 2
    case .longWords: range.count * 4
    }
  }

  /// Creates a part from a range of the tokens.
  ///
  /// - Throws: `InputError` when the part is too short for one sequence.
  public init(
    tokens: Tokens, range: Range<Int>, contextLength: Int, vocabulary: Int, part: String,
    source: String
  ) throws(InputError) {
    precondition(contextLength > 0, "sequences of \(contextLength) tokens")
    precondition((0..<tokens.count).contains(range), "part \(range) of \(tokens.count) tokens")
    guard range.count > contextLength else {
      throw InputError(
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

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    check(inputs.count, indices, size: contextLength)
    guard let inputs = inputs.baseAddress else { return }
    switch tokens {
    case .bytes(let bytes): write(bytes, indices, after: 0, to: inputs) { Element($0) }
    case .words(let words): write(words, indices, after: 0, to: inputs) { Element($0) }
    case .longWords(let words): write(words, indices, after: 0, to: inputs) { Element($0) }
    }
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    check(classes.count, indices, size: contextLength)
    guard let classes = classes.baseAddress else { return }
    switch tokens {
    case .bytes(let bytes): write(bytes, indices, after: 1, to: classes) { Int32($0) }
    case .words(let words): write(words, indices, after: 1, to: classes) { Int32($0) }
    case .longWords(let words): write(words, indices, after: 1, to: classes) { Int32($0) }
    }
  }

  @inline(__always)
  private func write<Token, Number>(
    _ tokens: [Token], _ indices: ArraySlice<Int>, after offset: Int,
    to numbers: UnsafeMutablePointer<Number>, _ number: (Token) -> Number
  ) {
    tokens.withUnsafeBufferPointer { tokens in
      for (row, index) in indices.enumerated() {
        let start = range.lowerBound + index * contextLength + offset
        let (from, to) = (tokens.baseAddress! + start, numbers + row * contextLength)
        for i in 0..<contextLength { to[i] = number(from[i]) }
      }
    }
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    switch tokens {
    case .bytes(let bytes): bytes[range].withUnsafeBytes(body)
    case .words(let words): words[range].withUnsafeBytes(body)
    case .longWords(let words): words[range].withUnsafeBytes(body)
    }
  }
}

extension Range<Int> {
  fileprivate func contains(_ other: Range<Int>) -> Bool {
    other.lowerBound >= lowerBound && other.upperBound <= upperBound
  }
}
