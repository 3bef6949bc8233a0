import Formats
import Foundation
import Support
import Testing

struct SafetensorsWriteTests {
  let directory: TemporaryDirectory
  let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = "\(directory.root)/model.safetensors"
  }

  @Test("written files follow the format byte for byte") func writtenBytes() throws {
    let values: [Float] = [1, -2, 0.5]
    try values.withUnsafeBufferPointer {
      try SafetensorsFile.write([("w", [3, 1], $0)], metadata: ["b": "1", "a": "\"\n"], to: path)
    }
    let header =
      #"{"__metadata__":{"a":"\"\u000a","b":"1"},"#
      + #""w":{"dtype":"F32","shape":[3,1],"data_offsets":[0,12]}}"#
    let padding = String(repeating: " ", count: 120 - header.utf8.count)
    let data: [UInt8] = [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f]
    let file = try contents(of: path)
    #expect(file == littleEndian(120 as UInt64) + Array((header + padding).utf8) + data)
    #expect(try directory.names() == ["model.safetensors"])
  }

  @Test("headers of any length are padded and read back", arguments: 0..<70)
  func paddedHeaders(length: Int) throws {
    let name = String(repeating: "ü", count: length) + "\u{1f}\\\"😀\u{7f}"
    let (first, second) = ([Float.pi, -0.0, .nan, .infinity], [Float.leastNonzeroMagnitude])
    try first.withUnsafeBufferPointer { first in
      try second.withUnsafeBufferPointer { second in
        let tensors: [SafetensorsFile.NamedTensor<Float>] = [
          (name, [2, 2], first), ("empty", [0, 5], UnsafeBufferPointer(rebasing: first[..<0])),
          ("a", [], second),
        ]
        try SafetensorsFile.write(tensors, metadata: [name: name], to: path)
      }
    }
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == [name: name])
    #expect(file.tensors.map(\.name) == [name, "empty", "a"])
    #expect(file.tensors.map(\.shape) == [[2, 2], [0, 5], []])
    #expect(try file.values(name, as: Float.self).map(\.bitPattern) == first.map(\.bitPattern))
    #expect(try file.values("a", as: Float.self) == second)
    let headerSize = try contents(of: path).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect((8 + headerSize) % 64 == 0)
  }

  @Test("a file without tensors is written and read") func emptyFile() throws {
    try SafetensorsFile.write([], to: path)
    #expect(try SafetensorsFile(path: path).tensors.isEmpty)
  }

  @Test("the same input gives the same bytes") func sameInputSameBytes() throws {
    let metadata = Dictionary(uniqueKeysWithValues: (0..<50).map { ("key \($0)", "\($0)") })
    let values = (0..<1000).map { Float($0) }
    try values.withUnsafeBufferPointer { values in
      try SafetensorsFile.write([("w", [1000], values)], metadata: metadata, to: path)
      let first = try contents(of: path)
      // Another dictionary with the same content has its keys in another order.
      var again: [String: String] = Dictionary(minimumCapacity: 500)
      for (key, value) in metadata.sorted(by: >) { again[key] = value }
      try SafetensorsFile.write([("w", [1000], values)], metadata: again, to: path)
      #expect(try contents(of: path) == first)
    }
  }

  @Test("a failed write leaves everything as it was") func failedWrite() throws {
    // A directory with the file's name cannot be replaced.
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    #expect(
      refusal { try SafetensorsFile.write([], to: path) }
        == "\(path): cannot replace: Is a directory")
    #expect(try directory.names() == ["model.safetensors"])
    let nowhere = "\(directory.root)/none/model.safetensors"
    #expect(
      refusal { try SafetensorsFile.write([], to: nowhere) }
        == "\(nowhere): cannot create a file in its directory: No such file or directory")
  }

  @Test("a full disk leaves the earlier file") func fullDisk() async {
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      let path = try directory.write([1, 2, 3], to: "model.safetensors")
      // This process may write at most 4096 bytes to a file, as on a disk that fills up.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
      #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      let values = [Float](repeating: 1, count: 2000)
      values.withUnsafeBufferPointer { values in
        #expect(
          refusal { try SafetensorsFile.write([("w", [2000], values)], to: path) }
            == "\(path): cannot write: File too large")
      }
      #expect(try contents(of: path) == [1, 2, 3])
      #expect(try directory.names() == ["model.safetensors"])
    }
  }

  @Test("leftovers of a killed process do no harm") func leftovers() throws {
    let leftover = try directory.write([0], to: ".swift-mfac-\(getpid())-0.tmp")
    try SafetensorsFile.write([], to: path)
    #expect(try contents(of: leftover) == [0])
    #expect(try SafetensorsFile(path: path).tensors.isEmpty)
  }

  @Test("a new file has the user's permissions") func permissions() throws {
    let plain = try directory.write([], to: "plain")
    try SafetensorsFile.write([], to: path)
    var (expected, got) = (stat(), stat())
    #expect(stat(plain, &expected) == 0 && stat(path, &got) == 0)
    #expect(got.st_mode == expected.st_mode)
  }

  /// Writes two tensors to an impossible path: errors in the tensors must show before.
  static func write(name: String, count: Int) {
    let values = [Float](repeating: 0, count: count)
    let message = values.withUnsafeBufferPointer { values in
      refusal {
        try SafetensorsFile.write(
          [("a", [2], UnsafeBufferPointer(rebasing: values[..<2])), (name, [2, 2], values)],
          to: "/dev/null/f")
      }
    }
    #expect(message == "/dev/null/f: cannot create a file in its directory: Not a directory")
  }

  @Test("wrong tensors stop the program") func wrongTensors() async {
    await #expect(processExitsWith: .success) { Self.write(name: "b", count: 4) }
    await #expect(processExitsWith: .failure) { Self.write(name: "a", count: 4) }
    await #expect(processExitsWith: .failure) { Self.write(name: "__metadata__", count: 4) }
    await #expect(processExitsWith: .failure) { Self.write(name: "b", count: 3) }
  }
}
