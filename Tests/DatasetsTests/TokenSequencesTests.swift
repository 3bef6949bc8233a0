import Datasets
import Support
import Testing

struct TokenSequencesTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  func options(
    context: Int, vocabulary: Int? = nil, type: TokenType? = nil, testFraction: Double = 0.1
  ) -> DatasetOptions {
    var options = DatasetOptions()
    options.sequences = SequenceOptions(
      contextLength: context, vocabulary: vocabulary, tokenType: type)
    options.split.testFraction = testFraction
    return options
  }

  @Test("a text is cut into sequences with their next bytes") func textSequences() throws {
    let text = (0..<100).map { UInt8(truncatingIfNeeded: $0 * 73 + 200) }
    for (name, bytes) in [("plain", text), ("packed", gzipped(text))] {
      let path = try directory.write(bytes, to: name)
      let dataset = try DatasetSource("text:\(path)").load(
        options(context: 7, testFraction: 0.2))
      // 80 and 20 bytes give (80 − 1)/7 and (20 − 1)/7 sequences.
      #expect(
        dataset.description
          == "text:\(path): 11 training and 2 test sequences of 7 bytes, vocabulary 256")
      #expect(dataset.inputShape == [7])
      #expect(dataset.targets == .classes(count: 256, positions: 7))
      #expect(dataset.byteCount == 100)
      for (part, start) in [(dataset.training, 0), (dataset.test, 80)] {
        for index in part.allIndices {
          let first = start + index * 7
          #expect(part.inputs([index]) == text[first..<first + 7].map(Float.init))
          #expect(part.classes([index]) == text[first + 1..<first + 8].map(Int32.init))
        }
      }
      let (first, second) = (dataset.training.inputs([9]), dataset.training.inputs([2]))
      #expect(dataset.training.inputs([9, 2], epoch: 3) == first + second)
      #expect(dataset.training.bytes + dataset.test.bytes == text)
    }
  }

  @Test("the last sequence may end with its part") func lastSequence() throws {
    let path = try directory.write(Array(0..<20), to: "t")
    let dataset = try DatasetSource("text:\(path)").load(options(context: 9, testFraction: 0.5))
    #expect(dataset.training.count == 1 && dataset.test.count == 1)
    #expect(dataset.training.classes([0]) == Array(1...9))
    #expect(dataset.test.inputs([0]) == (10..<19).map(Float.init))
  }

  @Test("raw tokens have sixteen bits by default") func sixteenBitTokens() throws {
    let tokens = (0..<60).map { UInt16($0 * 1000) }
    let path = try directory.write(tokens.flatMap { littleEndian($0) }, to: "t")
    let dataset = try DatasetSource("tokens:\(path)").load(
      options(context: 5, vocabulary: 59_001, testFraction: 0.25))
    #expect(
      dataset.description
        == "tokens:\(path): 8 training and 2 test sequences of 5 tokens, vocabulary 59001")
    #expect(dataset.targets == .classes(count: 59_001, positions: 5))
    #expect(dataset.training.inputs([0, 1]) == tokens[0..<10].map(Float.init))
    #expect(dataset.test.classes([1]) == tokens[51..<56].map(Int32.init))
    #expect(dataset.byteCount == 120)
  }

  @Test("bad texts and tokens are refused") func refusedTexts() throws {
    let tokens = [1, 2, 70, 3].flatMap { littleEndian(UInt16($0)) }
    let cases: [(bytes: [UInt8], source: String, options: DatasetOptions, message: String)] = [
      (
        tokens, "tokens", options(context: 1, vocabulary: 70),
        "F: token 2 (byte 4) is outside the vocabulary: expected 0 to 69, got 70"
      ),
      (
        tokens + [0], "tokens", options(context: 1, vocabulary: 71),
        "F: truncated within a token: expected an even number of bytes, two a token, got 9"
      ),
      (
        tokens, "tokens", options(context: 1),
        "vocabulary: is required for tokens: expected a number above every token"
      ),
      (
        tokens, "tokens", options(context: 1, vocabulary: 16_777_217),
        "vocabulary: is out of range: expected 2 to 16777216, got 16777217"
      ),
      (
        tokens, "tokens", options(context: 1, vocabulary: 65537),
        "F: has no header that gives the width of its tokens: expected token-type: uint32 for a "
          + "vocabulary of more than 65536, got a vocabulary of 65537"
      ),
      (
        tokens + [0, 0], "tokens", options(context: 1, vocabulary: 65537, type: .uint32),
        "F: truncated within a token: expected a multiple of 4 bytes, the size of uint32, got 10"
      ),
      (
        tokens, "tokens", options(context: 1, vocabulary: 131_143, type: .uint32),
        "F: token 1 (byte 4) is outside the vocabulary: expected 0 to 131142, got 196678"
      ),
      (
        [1, -2].flatMap { littleEndian($0 as Int32) }, "tokens",
        options(context: 1, vocabulary: 9, type: .int32),
        "F: token 1 (byte 4) is outside the vocabulary: expected 0 to 8, got -2"
      ),
      (
        Array(0..<100), "text", options(context: 64),
        "F: its test part is too short for one sequence of 64 tokens: "
          + "expected at least 65 tokens, got 10 of 100"
      ),
      (
        Array(0..<100), "text", options(context: 64, testFraction: 0.9),
        "F: its training part is too short for one sequence of 64 tokens: "
          + "expected at least 65 tokens, got 10 of 100"
      ),
      (
        [], "text", options(context: 1),
        "F: too few examples to train and to test: expected at least 2, got 0"
      ),
      (
        [1, 2, 3], "text", options(context: 0), "context length: 0 is not positive"
      ),
      (
        [1, 2, 3], "text", options(context: 1, testFraction: 1),
        "test fraction: 1.0 is not between 0 and 1"
      ),
      (
        [1, 2, 3], "text", options(context: 1, testFraction: .nan),
        "test fraction: nan is not between 0 and 1"
      ),
      (
        gzipped([1, 2, 3]).dropLast(), "text", options(context: 1),
        "F: the gzip data ends early, after 25 bytes"
      ),
    ]
    for (bytes, source, options, message) in cases {
      let path = try directory.write(bytes, to: "F")
      #expect(
        refusal { _ = try DatasetSource("\(source):\(path)").load(options) }
          == message.replacing("F:", with: "\(path):"))
    }
  }

  static let large = (0..<60).map { $0 * 2500 }
  static let stored: [(type: TokenType, npy: String, bytes: [UInt8])] = [
    (.uint32, "<u4", NPYTests.data(large.map { UInt32($0) })),
    (.int32, "<i4", NPYTests.data(large.map { Int32($0) })),
    (.int64, "<i8", NPYTests.data(large.map { Int64($0) })),
  ]

  @Test("wider tokens are read raw and from NumPy") func widerTokens() throws {
    for (type, npy, bytes) in Self.stored {
      let raw = options(context: 5, vocabulary: 150_000, type: type, testFraction: 0.25)
      let array = options(context: 5, vocabulary: 150_000, testFraction: 0.25)
      for (bytes, options) in [(bytes, raw), (NPYTests.npy(npy, [60], bytes), array)] {
        let path = try directory.write(bytes, to: "t")
        let dataset = try DatasetSource("tokens:\(path)").load(options)
        #expect(
          dataset.description
            == "tokens:\(path): 8 training and 2 test sequences of 5 tokens, vocabulary 150000")
        #expect(
          dataset.training.inputs([0, 7])
            == (Self.large[0..<5] + Self.large[35..<40]).map(Float.init))
        #expect(dataset.test.classes([1]) == Self.large[51..<56].map(Int32.init))
        #expect(dataset.byteCount == 240)
      }
    }
  }

  /// Ranks and checkpoints compare bytes: the same tokens must give the same bytes for any stored
  /// type.
  @Test("the same tokens give the same bytes in every stored type") func storedTypes() throws {
    let tokens = (0..<100).map { $0 * 600 }
    func bytes(_ content: [UInt8], _ type: TokenType?) throws -> [UInt8] {
      let path = try directory.write(content, to: "t")
      let dataset = try DatasetSource("tokens:\(path)").load(
        options(context: 5, vocabulary: 60_000, type: type))
      #expect(dataset.byteCount == 200)
      return dataset.training.bytes + dataset.test.bytes
    }
    let words = tokens.flatMap { littleEndian(UInt16($0)) }
    let long = tokens.flatMap { littleEndian(Int64($0)) }
    #expect(try bytes(words, nil) == words)
    #expect(try bytes(words, .uint16) == words)
    #expect(try bytes(NPYTests.npy("<u2", [100], words), nil) == words)
    #expect(try bytes(long, .int64) == words)
    #expect(try bytes(NPYTests.npy("<i8", [100], long), .int64) == words)
  }

  @Test("arrays that cannot be tokens are refused") func refusedArrays() throws {
    for (bytes, type, message) in [
      (
        NPYTests.npy("<f4", [8], NPYTests.data([Float](repeating: 1, count: 8))), nil,
        "its elements cannot be tokens: expected uint16, uint32, int32, int64, got <f4"
      ),
      (
        NPYTests.npy("|u1", [8], Array(0..<8)), nil,
        "its elements cannot be tokens: expected uint16, uint32, int32, int64; to get it: "
          + "array.astype('uint32'), got |u1"
      ),
      (
        NPYTests.npy("<u2", [2, 4], Array(0..<16)), nil,
        "tokens have one dimension: expected shape [tokens]: array.ravel(), got [2, 4]"
      ),
      (
        NPYTests.npy("<u2", [8], Array(0..<16)), .uint32,
        "its header already gives the token type: expected token-type: uint16, or none, got uint32"
      ),
      (
        NPYTests.npy("<i8", [3], NPYTests.data([1, 70_000, 2] as [Int64])), nil,
        "token 1 (byte 136) is outside the vocabulary: expected 0 to 59999, got 70000"
      ),
      (
        NPYTests.npy("<u2", [8], Array(0..<15)), nil,
        "too short: expected 16 bytes after its header (<u2, shape [8]), got 15"
      ),
    ] as [([UInt8], TokenType?, String)] {
      let path = try directory.write(bytes, to: "F")
      #expect(
        refusal {
          _ = try DatasetSource("tokens:\(path)").load(
            options(context: 1, vocabulary: 60_000, type: type))
        } == "\(path): \(message)")
    }
  }

  /// Wider tokens are recognised by their upper halves, for any vocabulary; `token-type` decides.
  @Test("wider tokens are not read as sixteen bits") func misreadTokens() throws {
    let vocabularies = [4, 65, 50_304, 150_000]
    for vocabulary in vocabularies {
      let tokens = (0..<400).map { ($0 * 7919 + 1) % vocabulary }
      for (bytes, type) in [
        (NPYTests.data(tokens.map { UInt32($0) }), "uint32"),
        (NPYTests.data(tokens.map { Int64($0) }), "int64"),
      ] {
        let path = try directory.write(bytes, to: "F")
        #expect(
          refusal {
            _ = try DatasetSource("tokens:\(path)").load(options(context: 4, vocabulary: 65_536))
          } == "\(path): every second 16-bit number is zero or close to it, as in wider "
            + "tokens: expected token-type: \(type)")
        #expect(
          try DatasetSource("tokens:\(path)").load(
            options(context: 4, vocabulary: 65_536, type: .uint16)
          ).training.inputs([0])[1] == 0)
      }
    }
    // Small vocabularies, padding, and a rare large token are not mistaken for wider tokens.
    let small: [UInt16] = (0..<400).map { UInt16($0 * $0 % 13 % 4) }
    let marked: [UInt16] = [50_256] + (0..<399).map { UInt16($0 % 4) }
    let padding = [UInt16](repeating: 0, count: 400)
    let rare: [UInt16] = (0..<400).map { $0 % 8 == 0 ? 40_000 : 0 }
    for tokens in [small, marked, padding, rare] {
      let path = try directory.write(NPYTests.data(tokens), to: "t")
      let dataset = try DatasetSource("tokens:\(path)").load(
        options(context: 4, vocabulary: 65_536))
      #expect(dataset.training.bytes + dataset.test.bytes == NPYTests.data(tokens))
    }
  }
}
