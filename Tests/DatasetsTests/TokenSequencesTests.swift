import Datasets
import Mutations
import Testing

struct TokenSequencesTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  func options(
    context: Int, vocabulary: Int? = nil, testFraction: Double = 0.1
  ) -> DatasetOptions {
    var options = DatasetOptions()
    options.sequences = SequenceOptions(contextLength: context, vocabulary: vocabulary)
    options.split.testFraction = testFraction
    return options
  }

  @Test func aTextIsCutIntoSequencesAndTheirNextBytes() throws {
    let text = (0..<100).map { UInt8(truncatingIfNeeded: $0 * 73 + 200) }
    for (name, bytes) in [("plain", text), ("packed", gzipped(text))] {
      let path = try directory.write(bytes, to: name)
      let dataset = try DatasetSource("text:\(path)").load(
        options(context: 7, testFraction: 0.2))
      // 80 and 20 bytes: (80 − 1)/7 and (20 − 1)/7 sequences.
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

  @Test func theLastSequenceMayEndThePart() throws {
    let path = try directory.write(Array(0..<20), to: "t")
    let dataset = try DatasetSource("text:\(path)").load(options(context: 9, testFraction: 0.5))
    #expect(dataset.training.count == 1 && dataset.test.count == 1)
    #expect(dataset.training.classes([0]) == Array(1...9))
    #expect(dataset.test.inputs([0]) == (10..<19).map(Float.init))
  }

  @Test func tokensAreOfSixteenBits() throws {
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

  @Test func refusesWhatIsNoText() throws {
    let tokens = [1, 2, 70, 3].flatMap { littleEndian(UInt16($0)) }
    let cases: [(bytes: [UInt8], source: String, options: DatasetOptions, message: String)] = [
      (
        tokens, "tokens", options(context: 1, vocabulary: 70),
        "F: token 2 (byte 4) is none of the vocabulary: expected 0 to 69, got 70"
      ),
      (
        tokens + [0], "tokens", options(context: 1, vocabulary: 71),
        "F: truncated within a token: expected an even number of bytes, two a token, got 9"
      ),
      (
        tokens, "tokens", options(context: 1),
        "vocabulary: tokens need it: expected a number above every token"
      ),
      (
        tokens, "tokens", options(context: 1, vocabulary: 65537),
        "vocabulary: is none of 16-bit tokens: expected 2 to 65536, got 65537"
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
}
