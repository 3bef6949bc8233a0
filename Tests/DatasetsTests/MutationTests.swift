import Datasets
import Foundation
import Testing

/// Spoiled files: each is read right or refused in words, without a trap, a hang or memory that
/// only the file's promises ask for.
struct MutationTests {
  @Test func spoiledIDXFiles() throws {
    let values = (0..<60).map { UInt8($0) }
    let plain = idxBytes(shape: [3, 4, 5], values: values)
    let images = try contents(of: "\(digitsDirectory)/t10k-images-idx3-ubyte.gz")
    let originals = [(plain, 60_000), (gzipped(plain), 30_000), (images, 10_000)]
    for (original, count) in originals {
      let mutator = Mutator(seed: UInt64(count))
      let tally = try tally(count) { number in
        let array = try IDXArray(bytes: mutator.mutant(number, of: original), file: "f", rank: 3)
        #expect(array.shape.count == 3)
        #expect(array.shape.reduce(1, *) == array.values.count)
      }
      // Changed pixels are none of the format's business; a check sum sees them.
      #expect(tally.accepted > (original == plain ? count / 20 : 0))
      #expect(tally.refused > count / 2)
    }
  }

  @Test func spoiledSafetensorsFiles() throws {
    let memory = try MemoryFile()
    let original = Array(try #require(Data(base64Encoded: SafetensorsReadTests.fromPython)))
    let tokens = [
      "\"", "{", "}", "[", "]", ":", ",", "\\", " ", "0", "-", "1e9", "null", "\\ud83d", "\\ude00",
      "\\u0061", "\"n\"", "\"dtype\"", "\"shape\"", "\"F32\"", "\"BF16\"", "[0,8]", "[]",
      "9223372036854775807", "18446744073709551616", "4294967296,", "\"__metadata__\":{},",
      "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]},", "\u{e9}",
    ]
    let mutator = Mutator(tokens: tokens.map { Array($0.utf8) }, seed: 3)
    let count = 40_000
    let tally = try tally(count) { number in
      var bytes = mutator.mutant(number, of: original)
      // Half of them with a header length that fits again, or the parser would see few.
      if number % 2 == 0, bytes.count > original.count / 2 {
        let size = max(bytes.count - 8 - (original.count - 264), 0)
        bytes.replaceSubrange(0..<8, with: littleEndian(UInt64(size)))
      }
      memory.hold(bytes)
      let file = try SafetensorsFile(path: memory.path)
      var end = 0
      for tensor in file.tensors {
        #expect(tensor.range.lowerBound == end)
        end = tensor.range.upperBound
        #expect(tensor.shape.reduce(tensor.dtype.byteCount, *) == tensor.range.count)
        if [.float16, .bfloat16, .float32, .float64].contains(tensor.dtype) {
          #expect(try file.doubles(tensor.name).count == tensor.count)
        }
      }
      #expect(end < bytes.count)
    }
    #expect(tally.accepted > count / 50)
    #expect(tally.refused > count / 2)
  }

  @Test func spoiledTables() throws {
    let classes = """
      \u{FEFF}a;"b ""x\""";c\r\n1;-2.5;x\r\n4;"5";y\n7;8;"y"\n9;1e0;x\n\n
      """
    let numbers = classes.replacing("x", with: "3").replacing("y", with: "-.4e2")
    let tokens = [
      "\"", "\"\"", ";", ",", "\t", "\r\n", "\n", "\r", "nan", "-inf", "1e999", "1e-999", "0x1", "",
      "\u{FEFF}", "\u{0}", "9007199254740993", "-", "+", ".", "e", "1e308", "é",
    ]
    let mutator = Mutator(tokens: tokens.map { Array($0.utf8) }, seed: 5)
    let count = 40_000
    let cases: [(String, TableOptions.Task, String?)] = [
      (classes, .classification, nil), (numbers, .classification, "2"), (numbers, .regression, "a"),
    ]
    for (original, task, target) in cases {
      let table = TableOptions(task: task, target: target)
      let tally = try tally(count) { number in
        let dataset = try Dataset(
          name: "m", csv: mutator.mutant(number, of: Array(original.utf8)), file: "f",
          options: table,
          split: Split(seed: UInt64(number)))
        try use(dataset)
      }
      #expect(tally.accepted > count / 200, "\(tally)")
      #expect(tally.refused > count / 4)
    }
  }

  @Test func spoiledArrays() throws {
    let (inputs, targets) = (try MemoryFile(), try MemoryFile())
    let numbers = NPYTests.data([1, 2, 3, 4, 5, 6] as [Float])
    let originals = [
      NPYTests.npy("<f4", [3, 2], numbers), NPYTests.npy("<i4", [3, 2], numbers, version: (2, 0)),
      NPYTests.npy("|u1", [3, 2, 4], numbers), NPYTests.npy("<i8", [3], numbers),
    ]
    let classes = NPYTests.npy("<u2", [3], NPYTests.data([0, 1, 2] as [UInt16]))
    let tokens = [
      "'", "(", ")", "{", "}", ",", ":", "L", " ", "\n", "'descr'", "'shape'", "'fortran_order'",
      "True", "False", "'|u1'", "'<f8'", "'>f4'", "[('a','<f4')]", "0", "3", "(3,)", "()",
      "9223372036854775807", "4294967296,", "-1",
    ]
    let mutator = Mutator(tokens: tokens.map { Array($0.utf8) }, seed: 6)
    let count = 10_000
    for original in originals {
      let tally = try tally(count) { number in
        let mutant = mutator.mutant(number, of: original)
        // As inputs, or as targets.
        inputs.hold(number % 2 == 0 ? mutant : originals[0])
        targets.hold(number % 2 == 0 ? classes : mutant)
        try use(Dataset(name: "m", npy: [inputs.path, targets.path], split: Split()))
      }
      // Most of a file is its header, and none of its bytes may change.
      #expect(tally.accepted > count / 200)
      #expect(tally.refused > count / 4)
    }
  }

  @Test func spoiledTextsAndImages() throws {
    let file = try MemoryFile()
    let tokens = (0..<40).flatMap { littleEndian(UInt16($0 * 3)) }
    let mutator = Mutator(seed: 7)
    for original in [tokens, gzipped(tokens)] {
      let tally = try tally(20_000) { number in
        file.hold(mutator.mutant(number, of: original))
        if number % 2 == 0 {
          try use(Dataset(name: "m", text: file.path, contextLength: 3, testFraction: 0.2))
        } else {
          try use(
            Dataset(
              name: "m", tokens: file.path, vocabulary: 300, contextLength: 3, testFraction: 0.2))
        }
      }
      #expect(tally.accepted > 200)
      #expect(tally.refused > 2000)
    }
    let directory = try TemporaryDirectory()
    let record = [UInt8](repeating: 7, count: 3073)
    for name in CIFAR10Tests.names { try directory.write(record, to: name) }
    let (transform, batch) = (try InputTransform(scale: 1), "\(directory.path)/data_batch_2.bin")
    let tally = try tally(500) { number in
      let mutant = mutator.mutant(number, of: record + record)
      #expect(FileManager.default.createFile(atPath: batch, contents: Data(mutant)))
      try use(Dataset(name: "m", cifar10: directory.path, transform: transform))
    }
    #expect(tally.accepted > 50)
    #expect(tally.refused > 100)
  }

  /// Asks for everything that is in a dataset, and checks it.
  func use(_ dataset: Dataset) throws {
    for part in [dataset.training, dataset.test] {
      #expect(part.count > 0)
      #expect(part.inputs(part.allIndices).allSatisfy { $0.isFinite })
      switch part.targets {
      case .classes(let count, _):
        #expect(part.classes(part.allIndices).allSatisfy { $0 >= 0 && $0 < count })
      case .values: #expect(part.values(part.allIndices).allSatisfy { $0.isFinite })
      }
      #expect(!part.bytes.isEmpty)
    }
  }

  /// Runs numbered cases; any error but a `DatasetError` ends them.
  func tally(
    _ count: Int, _ body: (Int) throws -> Void
  ) rethrows -> (accepted: Int, refused: Int) {
    var tally = (accepted: 0, refused: 0)
    for number in 0..<count {
      do {
        try body(number)
        tally.accepted += 1
      } catch is DatasetError {
        tally.refused += 1
      }
    }
    return tally
  }

  @Test func promisesAreNotAllocated() async {
    await #expect(processExitsWith: .success) {
      // Some more than the process has now; each file below promises terabytes. OpenBLAS, linked by
      // other tests, takes up to 128 MB for each of its threads when it comes to it, and hangs at
      // the end where it may not.
      let room = UInt(256 + 160 * ProcessInfo.processInfo.processorCount) << 20
      let pages = try #require(
        String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first)
      let size = try #require(UInt(pages)) * UInt(getpagesize()) + room
      var limit = rlimit(rlim_cur: size, rlim_max: size)
      #expect(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      #expect(malloc(Int(room)) == nil)

      let idx = idxBytes(shape: [0xffff_ffff, 28, 28], values: Array(repeating: 7, count: 100_000))
      for file in [idx, gzipped(idx)] {
        #expect(
          refusal { _ = try IDXArray(bytes: file, file: "f", rank: 3) }
            == "f: too short: expected 3367254359280 bytes after its header, got 100000"
        )
      }
      let directory = try TemporaryDirectory()
      let array = try directory.write(NPYTests.npy("<f8", [1 << 40], [0, 0]), to: "array")
      #expect(
        refusal { _ = try Dataset(name: "n", npy: [array, array], split: Split()) }
          == "\(array): too short: expected 8796093022208 bytes after its header "
          + "(<f8, shape [1099511627776]), got 2")
      let header =
        #"{"t":{"dtype":"F32","shape":[1099511627776],"#
        + #""data_offsets":[0,4398046511104]}}"#
      let path = try directory.write(safetensorsBytes(header, dataSize: 4), to: "f")
      #expect(
        refusal { _ = try SafetensorsFile(path: path) }
          == "\(path): the data end early: expected 4398046511104 bytes after the header, got 4")
    }
  }
}

/// A file in memory, for many contents one after the other: disks take milliseconds for each.
private final class MemoryFile {
  private let descriptor: Int32
  var path: String { "/proc/self/fd/\(descriptor)" }

  init() throws {
    let name = "/datasets-tests-\(getpid())-\(UUID().uuidString)"
    descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    try #require(descriptor >= 0)
    shm_unlink(name)
  }

  deinit { close(descriptor) }

  func hold(_ bytes: [UInt8]) {
    #expect(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    #expect(ftruncate(descriptor, bytes.count) == 0)
  }
}
