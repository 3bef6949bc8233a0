import Formats
import Foundation
import Support
import Testing

struct IDXArrayTests {
  let shape = [2, 3, 4]
  let values = Array(0..<24 as Range<UInt8>)

  @Test("plain and gzip arrays are read") func roundTrip() throws {
    let bytes = idxBytes(shape: shape, values: values)
    for file in [bytes, gzipped(bytes)] {
      let array = try IDXArray(bytes: file, file: "f", rank: 3)
      #expect(array.shape == shape)
      #expect(array.values == values)
    }
  }

  @Test("compression is recognised by content, not by name") func compressionByContent() throws {
    let directory = try TemporaryDirectory()
    let bytes = idxBytes(shape: shape, values: values)
    for (name, content) in [("plain.gz", bytes), ("packed", gzipped(bytes))] {
      let path = try directory.write(content, to: name)
      #expect(try IDXArray(path: path, rank: 3).values == values)
    }
  }

  @Test("inflated data longer than one piece are read") func largeInflatedData() throws {
    let values = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }
    let file = gzipped(idxBytes(shape: [values.count], values: values))
    #expect(try IDXArray(bytes: file, file: "f", rank: 1).values == values)
  }

  @Test("an empty array is read") func emptyArray() throws {
    let bytes = idxBytes(shape: [0, 3, 4], values: [])
    for file in [bytes, gzipped(bytes)] {
      #expect(try IDXArray(bytes: file, file: "f", rank: 3).shape == [0, 3, 4])
    }
  }

  @Test("files that are not such an array are refused") func refusedArrays() throws {
    let good = idxBytes(shape: shape, values: values)
    let cases: [(bytes: [UInt8], message: String)] = [
      ([], "f: too short for an IDX file: expected at least 4 bytes, got 0"),
      (
        Array("<html>".utf8),
        "f: is an HTML page: expected an IDX file, plain or gzip"
      ),
      (
        [1, 2, 3, 4], "f: not an IDX file: expected first bytes 00 00 08 03, got 01 02 03 04"
      ),
      (
        idxBytes(shape: shape, values: values, type: 0x0d),
        "f: unsupported IDX element type: expected 08 (unsigned bytes), got 0d"
      ),
      (
        idxBytes(shape: [24], values: values),
        "f: wrong kind of IDX file: expected 3 dimensions (images), got 1 dimension (labels)"
      ),
      (Array(good.prefix(15)), "f: the IDX header ends early: expected 16 bytes, got 15 bytes"),
      (good.dropLast(), "f: too short: expected 24 bytes after its header, got 23"),
      (good + [0], "f: too long: expected 24 bytes after its header, got 25"),
      (
        idxBytes(shape: [1 << 31, 1 << 31, 2], values: values),
        "f: its dimensions [2147483648, 2147483648, 2] overflow a 64-bit size"
      ),
    ]
    for (bytes, message) in cases {
      #expect(throws: InputError.self) { try IDXArray(bytes: bytes, file: "f", rank: 3) }
      #expect(refusal { _ = try IDXArray(bytes: bytes, file: "f", rank: 3) } == message)
    }
    // Compressed files give the same messages, except for a length without a bound.
    for (bytes, message) in cases where !message.contains("too long") {
      let file = gzipped(bytes)
      #expect(refusal { _ = try IDXArray(bytes: file, file: "f", rank: 3) } == message)
    }
    let long = gzipped(good + [0])
    #expect(
      refusal { _ = try IDXArray(bytes: long, file: "f", rank: 3) }
        == "f: holds more data than its header announces")
  }

  @Test("corrupted gzip data are refused") func badCompression() throws {
    let good = gzipped(idxBytes(shape: shape, values: values))
    var wrongSum = good
    wrongSum[good.count - 8] ^= 1
    var wrongBlock = good
    wrongBlock[10] = 7
    let cases: [(bytes: [UInt8], message: String)] = [
      (good.dropLast(), "f: the gzip data ends early, after \(good.count - 1) bytes"),
      (Array(good.prefix(2)), "f: the gzip data ends early, after 2 bytes"),
      (good + [1, 2, 3], "f: 3 bytes follow the end of the gzip data"),
      (good + [0, 0, 5], "f: 3 bytes follow the end of the gzip data"),
      (good + [0x1f], "f: 1 bytes follow the end of the gzip data"),
      (good + [0x1f, 0x8b], "f: the gzip data ends early, after \(good.count + 2) bytes"),
      (
        good + gzipped([]).dropLast(),
        "f: the gzip data ends early, after \(good.count + 22) bytes"
      ),
      (good + good, "f: holds more data than its header announces"),
      (wrongSum, "f: corrupt gzip data near byte \(good.count - 4): incorrect data check"),
      (wrongBlock, "f: corrupt gzip data near byte 11: invalid block type"),
    ]
    for (bytes, message) in cases {
      #expect(refusal { _ = try IDXArray(bytes: bytes, file: "f", rank: 3) } == message)
    }
  }

  /// `cat a.gz b.gz`, bgzip, and tapes of whole blocks write such files.
  @Test("all members of a gzip file are read") func gzipMembers() throws {
    let bytes = idxBytes(shape: shape, values: values)
    let zeros = [UInt8](repeating: 0, count: 500)
    for cut in [0, 3, 16, 20, bytes.count] {
      let members = gzipped(Array(bytes[..<cut])) + gzipped(Array(bytes[cut...]))
      let padded = gzipped(Array(bytes[..<cut])) + zeros + gzipped(Array(bytes[cut...])) + [0]
      for file in [members, members + gzipped([]), members + zeros, padded] {
        let array = try IDXArray(bytes: file, file: "f", rank: 3)
        #expect(array.shape == shape && array.values == values)
      }
    }
    // Each member holds more than one piece.
    let large = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }
    let file = gzipped(idxBytes(shape: [400_000], values: large)) + gzipped(large)
    #expect(try IDXArray(bytes: file, file: "f", rank: 1).values == large + large)
  }

  @Test("a missing file, a directory and a pipe are refused") func notAFile() throws {
    let directory = try TemporaryDirectory()
    let missing = "\(directory.root)/missing"
    #expect(
      refusal { _ = try IDXArray(path: missing, rank: 1) }
        == "\(missing): cannot open: No such file or directory")
    #expect(
      refusal { _ = try IDXArray(path: directory.root, rank: 1) }
        == "\(directory.root): is a directory: expected a file")
    // The reader must not wait at a pipe without a writer.
    let pipe = "\(directory.root)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(
      refusal { _ = try IDXArray(path: pipe, rank: 1) }
        == "\(pipe): is not a regular file: expected a file")
  }
}

/// Returns the message of the `InputError` that `body` throws, or nil if it throws none.
func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return (error as? InputError)?.description
  }
}
