import Datasets
import Formats
import Foundation
import Mutations
import Support
import Testing

/// Tests corrupted files: each is read correctly or refused with a message. None causes a trap, a
/// hang, or an allocation that only the file's numbers ask for.
struct MutationTests {
  @Test("corrupted IDX files are read correctly or refused") func spoiledIDXFiles() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let values = (0..<60).map { UInt8($0) }
      let plain = idxBytes(shape: [3, 4, 5], values: values)
      let images = try contents(of: "\(digitsDirectory)/t10k-images-idx3-ubyte.gz")
      let labels = idxBytes(shape: [60], values: values)
      // The last one has the right checksum around the corrupted data.
      let files: [(original: [UInt8], count: Int, rank: Int, gzip: Bool)] = [
        (plain, 40_000, 3, false), (labels, 20_000, 1, false), (gzipped(plain), 20_000, 3, false),
        (images, 5_000, 3, false), (plain, 20_000, 3, true),
      ]
      for (seed, (original, count, rank, gzip)) in files.enumerated() {
        let mutator = Mutator(seed: UInt64(seed))
        let tally = try Tally(count, refusing: InputError.self) { number in
          let mutant = mutator.mutant(number, of: original)
          let array = try IDXArray(bytes: gzip ? gzipped(mutant) : mutant, file: "f", rank: rank)
          #expect(array.shape.count == rank)
          #expect(array.shape.reduce(1, *) == array.values.count)
        }
        // The format does not check pixels; a checksum does.
        let isCompressed = original.starts(with: [0x1f, 0x8b])
        #expect(tally.accepted > (isCompressed ? 0 : count / 20), "\(tally)")
        #expect(tally.refused > count / 2, "\(tally)")
      }
    }
  }

  @Test("corrupted tables are read correctly or refused") func spoiledTables() throws {
    let classes = """
      \u{FEFF}a;"b ""x\""";c\r\n1;-2.5;x\r\n4;"5";y\n7;8;"y"\n9;1e0;x\n\n
      """
    let numbers = classes.replacing("x", with: "3").replacing("y", with: "-.4e2")
    let tokens = [
      "\"", "\"\"", ";", ",", "\t", "\r\n", "\n", "\r", "nan", "-inf", "1e999", "1e-999", "0x1", "",
      "\u{FEFF}", "\u{0}", "9007199254740993", "-", "+", ".", "e", "1e308", "é",
    ]
    let mutator = Mutator(tokens: tokens, seed: 5)
    let count = 40_000
    let cases: [(String, TableOptions.Task, String?)] = [
      (classes, .classification, nil), (numbers, .classification, "2"), (numbers, .regression, "a"),
    ]
    for (original, task, target) in cases {
      let table = TableOptions(task: task, target: target)
      let tally = try Tally(count, refusing: InputError.self) { number in
        let dataset = try Dataset(
          name: "m", csv: mutator.mutant(number, of: Array(original.utf8)), file: "f",
          options: table,
          split: Split(seed: UInt64(number)))
        try useAll(of: dataset)
      }
      #expect(tally.accepted > count / 200, "\(tally)")
      #expect(tally.refused > count / 4)
    }
  }

  @Test("corrupted texts and images are read correctly or refused")
  func spoiledTextsAndImages() throws {
    let file = MemoryFile()
    let tokens = (0..<40).flatMap { littleEndian(UInt16($0 * 3)) }
    let mutator = Mutator(seed: 7)
    for original in [tokens, gzipped(tokens)] {
      let tally = try Tally(20_000, refusing: InputError.self) { number in
        file.hold(mutator.mutant(number, of: original))
        if number % 2 == 0 {
          try useAll(of: Dataset(name: "m", text: file.path, contextLength: 3, testFraction: 0.2))
        } else {
          try useAll(
            of:
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
    let (transform, batch) = (try InputTransform(scale: 1), "\(directory.root)/data_batch_2.bin")
    let tally = try Tally(500, refusing: InputError.self) { number in
      let mutant = mutator.mutant(number, of: record + record)
      #expect(FileManager.default.createFile(atPath: batch, contents: Data(mutant)))
      try useAll(of: Dataset(name: "m", cifar10: directory.root, transform: transform))
    }
    #expect(tally.accepted > 50)
    #expect(tally.refused > 100)
  }

  @Test("sizes claimed by a header are not allocated") func claimedSizes() async {
    await #expect(processExitsWith: .success) {
      // Each file below claims terabytes.
      limitMemory()

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
