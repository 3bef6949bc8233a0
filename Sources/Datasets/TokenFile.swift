import Formats

/// Selects the integer type in which a file stores tokens.
public enum TokenType: String, CaseIterable, Sendable {
  case uint16, uint32, int32, int64

  var byteCount: Int {
    switch self {
    case .uint16: 2
    case .uint32, .int32: 4
    case .int64: 8
    }
  }

  /// Converts the element type of an NPY file; nil if it cannot hold tokens.
  init?(_ npy: NPYType) {
    switch npy {
    case .uint16: self = .uint16
    case .uint32: self = .uint32
    case .int32: self = .int32
    case .int64: self = .int64
    default: return nil
    }
  }
}

/// Reads tokens from an NPY file of one dimension, or from raw little-endian integers as NumPy's
/// `tokens.astype("<u2").tofile(path)` writes them.
struct TokenFile {
  /// Largest vocabulary whose tokens fit in 16 bits.
  static let largest16BitVocabulary = 1 << 16

  private let input: InputFile
  private let type: TokenType
  /// Byte offset of the first token.
  private let offset: Int

  /// Opens a file and determines its token type.
  ///
  /// - Parameters:
  ///   - asked: token type; nil uses the type in an NPY file's header, or 16 bits without a header.
  ///   - vocabulary: exclusive upper bound of the tokens.
  /// - Throws: `InputError` naming the format of a file that holds no tokens.
  init(path: String, type asked: TokenType?, vocabulary: Int) throws(InputError) {
    input = try InputFile(path)
    let start = try input.start()
    if start.starts(with: NPYHeader.magic) {
      let array = try NPYFile(path: path)
      (type, offset) = (try Self.type(of: array, asked: asked), array.dataOffset)
      return
    }
    if let format = FileFormat(start, size: input.count, for: .numbers) {
      throw format.refusal(
        of: path,
        expected: format == .text
          ? "tokens; \(setting: "dataset", "text:\(path)") reads a text"
          : "tokens, as a NumPy array or raw")
    }
    type = asked ?? .uint16
    offset = 0
    if asked == nil {
      guard vocabulary <= Self.largest16BitVocabulary else {
        throw InputError(
          path, "has no header that gives the width of its tokens",
          expected: "\(setting: "token-type", "uint32") for a vocabulary of more than "
            + "\(Self.largest16BitVocabulary)", got: "a vocabulary of \(vocabulary)")
      }
      if let wider = try widerType() {
        throw InputError(
          path, "every second 16-bit number is zero or close to it, as in wider tokens",
          expected: "\(setting: "token-type", wider.rawValue)")
      }
    }
    guard input.count % type.byteCount == 0 else {
      throw InputError(
        path, "truncated within a token",
        expected: type == .uint16
          ? "an even number of bytes, two a token"
          : "a multiple of \(type.byteCount) bytes, the size of \(type.rawValue)",
        got: "\(input.count)")
    }
  }

  private static func type(
    of array: NPYFile, asked: TokenType?
  ) throws(InputError) -> TokenType {
    guard let type = TokenType(array.type) else {
      let advice = array.type.isInteger ? "; to get it: array.astype('uint32')" : ""
      throw InputError(
        array.path, "its elements cannot be tokens",
        expected: "\(TokenType.allCases.map(\.rawValue).joined(separator: ", "))\(advice)",
        got: "\(array.type.rawValue)")
    }
    guard array.shape.count == 1 else {
      throw InputError(
        array.path, "tokens have one dimension", expected: "shape [tokens]: array.ravel()",
        got: "\(array.shape)")
    }
    guard asked == nil || asked == type else {
      throw InputError(
        array.path, "its header already gives the token type",
        expected: "\(setting: "token-type", type.rawValue), or none", got: "\(asked!.rawValue)")
    }
    return type
  }

  /// Guesses from a sample whether the 16-bit numbers are halves or quarters of wider tokens.
  ///
  /// The upper half of a token is zero, or small if the vocabulary is large, and most lower halves
  /// are not. No text in 16-bit tokens alternates like that.
  private func widerType() throws(InputError) -> TokenType? {
    let words: [UInt16] = try input.read(0..<min(input.count, 1 << 14) / 8 * 8)
    guard words.count >= 64 else { return nil }
    func isWider(by step: Int) -> Bool {
      let low = stride(from: 0, to: words.count, by: step).map { words[$0] }
      let high = stride(from: 1, to: words.count, by: step).map { words[$0] }
      let rest = words.indices.filter { $0 % step > 1 }
      guard rest.allSatisfy({ words[$0] == 0 }), let largest = high.max(), largest < 16 else {
        return false
      }
      return 2 * low.count { largest == 0 ? $0 > 0 : $0 >= 16 } > low.count
    }
    return isWider(by: 4) ? .int64 : isWider(by: 2) ? .uint32 : nil
  }

  /// Returns all tokens, in the 2 or 4 bytes each that the vocabulary needs.
  ///
  /// - Throws: `InputError` naming the first token that is not below `vocabulary`.
  func tokens(below vocabulary: Int) throws(InputError) -> TokenSequences.Tokens {
    switch type {
    case .uint16: try tokens(of: UInt16.self, below: vocabulary)
    case .uint32: try tokens(of: UInt32.self, below: vocabulary)
    case .int32: try tokens(of: Int32.self, below: vocabulary)
    case .int64: try tokens(of: Int64.self, below: vocabulary)
    }
  }

  private func tokens<Word: FixedWidthInteger>(
    of word: Word.Type, below vocabulary: Int
  ) throws(InputError) -> TokenSequences.Tokens {
    if vocabulary <= Self.largest16BitVocabulary {
      .words(try read(word, as: UInt16.self, below: vocabulary))
    } else {
      .longWords(try read(word, as: UInt32.self, below: vocabulary))
    }
  }

  /// Reads in pieces to avoid holding a second copy.
  private func read<Word: FixedWidthInteger, Token: FixedWidthInteger>(
    _ word: Word.Type, as token: Token.Type, below vocabulary: Int
  ) throws(InputError) -> [Token] {
    let piece = 1 << 20
    var tokens: [Token] = []
    tokens.reserveCapacity((input.count - offset) / type.byteCount)
    for start in stride(from: offset, to: input.count, by: piece) {
      let words = try input.read(start..<min(start + piece, input.count), as: Word.self)
      for (index, word) in words.enumerated() {
        // All token types fit in an Int; negative numbers become large.
        guard UInt(bitPattern: Int(truncatingIfNeeded: word)) < UInt(vocabulary) else {
          let position = tokens.count
          throw InputError(
            input.path,
            "token \(position) (byte \(start + index * type.byteCount)) is outside the vocabulary",
            expected: "0 to \(vocabulary - 1)", got: "\(word)")
        }
        tokens.append(Token(truncatingIfNeeded: word))
      }
    }
    return tokens
  }
}
