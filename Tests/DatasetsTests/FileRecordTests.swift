import FileRecords
import Formats
import Foundation
import Support
import Testing

/// Tests the records by which ranks compare the files that they open.
@Suite struct FileRecordTests {
  private let directory = try! TemporaryDirectory()

  private func difference(_ a: String, _ b: String) throws -> String? {
    let records = try [a, b].map { try InputFile($0).record() }
    // The records as ranks send them.
    let sent = try records.map { try #require(FileRecord(line: "\($0)")) }
    #expect(sent == records)
    return sent[0].difference(from: sent[1])?.what
  }

  @Test("a difference between files is named") func namedDifference() throws {
    let bytes = [UInt8](repeating: 7, count: 10_000)
    let file = try directory.write(bytes, to: "file")
    for (place, what) in [
      (nil, nil), (0, "digest of the first 4096 bytes"), (4095, "digest of the first 4096 bytes"),
      (4096, "digest of the contents"), (9999, "digest of the contents"),
    ] as [(Int?, String?)] {
      var other = bytes
      if let place { other[place] = 8 }
      #expect(try difference(file, directory.write(other, to: "other")) == what)
    }
    let shorter = try directory.write(bytes.dropLast(), to: "shorter")
    #expect(try difference(file, shorter) == "size in bytes")
    let empty = try directory.write([], to: "empty")
    #expect(try difference(empty, directory.write([], to: "empty too")) == nil)
  }

  /// The sample includes both ends of a file, and a part of any megabyte within it.
  @Test("large files are compared by samples") func sampledFiles() throws {
    let size = FileRecord.largestWhole + 1_000_003
    func write(_ name: String, changing range: Range<Int>) throws -> String {
      let path = try directory.write([], to: name)
      truncate(path, size)
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.seek(toOffset: UInt64(range.lowerBound))
      try file.write(contentsOf: Data(repeating: 1, count: range.count))
      try file.close()
      return path
    }
    let file = try write("file", changing: 0..<0)
    #expect(try difference(file, write("same", changing: 0..<0)) == nil)
    for range in [size - 1..<size, 20_000_000..<21_000_000, 77_777_777..<78_777_777] {
      #expect(
        try difference(file, write("other", changing: range))
          == "digest of a sample of the contents")
    }
  }

  /// Rows of a file that changes while it is read would belong to two files.
  @Test("a file that changes is not read any further") func changingFile() throws {
    for mayChange in [false, true] {
      let path = try directory.write([1, 2, 3, 4], to: "file-\(mayChange)")
      let file = try InputFile(path, mayChange: mayChange)
      #expect(try file.read(0..<2) as [UInt8] == [1, 2])
      let writer = try #require(FileHandle(forWritingAtPath: path))
      try writer.write(contentsOf: Data([5, 6, 7, 8, 9]))
      try writer.close()
      if mayChange {
        #expect(try file.read(0..<2) as [UInt8] == [5, 6])
      } else {
        let error = #expect(throws: InputError.self) { try file.read(0..<2) as [UInt8] }
        #expect(error?.description.contains("has changed while it was read") == true)
      }
    }
  }
}
