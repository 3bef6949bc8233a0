import Datasets
import Support
import Testing

struct CIFAR10Tests {
  static let names = (1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]

  /// Returns record `number` of file `file`: its label, and pixels that encode their position.
  func record(_ file: Int, _ number: Int) -> [UInt8] {
    [UInt8((3 * file + number) % 10)]
      + (0..<3072).map { UInt8(truncatingIfNeeded: $0 * 7 + file * 31 + number * 101) }
  }

  /// Returns a directory of files with `file + 1` records each.
  func directory(under folder: String = "") throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    try directory.makeFolder(folder)
    for (file, name) in Self.names.enumerated() {
      try directory.write((0...file).flatMap { record(file, $0) }, to: "\(folder)/\(name)")
    }
    return directory
  }

  @Test("records are read in the order of the files", arguments: ["", "cifar-10-batches-bin"])
  func recordOrder(folder: String) throws {
    let directory = try directory(under: folder)
    let source = try DatasetSource("cifar10:\(directory.root)")
    let dataset = try source.load()
    #expect(
      dataset.description
        == "\(source): 15 training and 6 test images, 3×32×32, 10 classes")
    #expect(dataset.inputShape == [3, 32, 32])
    #expect(dataset.targets == .classes(count: 10, positions: 1))
    let records = (0..<5).flatMap { file in (0...file).map { record(file, $0) } }
    let transform = try InputTransform(
      scale: 1.0 / 255, mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616])
    let expected = records.flatMap { record in
      (0..<3072).map { transform(record[1 + $0], channel: $0 / 1024) as Float }
    }
    #expect(dataset.training.inputs(dataset.training.allIndices) == expected)
    #expect(dataset.training.classes(dataset.training.allIndices) == records.map { Int32($0[0]) })
    #expect(dataset.test.classes([5, 0]) == [Int32(record(5, 5)[0]), Int32(record(5, 0)[0])])
    #expect(dataset.byteCount == 21 * 3073)
  }

  @Test("bad files are named in the message") func badFiles() throws {
    let good = record(0, 0)
    let cases: [(bytes: [UInt8], message: String)] = [
      (
        Array(good.dropLast()),
        ": truncated, or not CIFAR-10's binary version: "
          + "expected a positive multiple of 3073 bytes, got 3072"
      ),
      (
        [],
        ": truncated, or not CIFAR-10's binary version: "
          + "expected a positive multiple of 3073 bytes, got 0"
      ),
      (
        good + [10] + good.dropFirst(),
        ": label of record 1 (byte 3073) is out of range: expected 0 to 9, got 10"
      ),
    ]
    for (bytes, message) in cases {
      for name in ["data_batch_3.bin", "test_batch.bin"] {
        let directory = try directory()
        let path = try directory.write(bytes, to: name)
        #expect(
          refusal { _ = try DatasetSource("cifar10:\(directory.root)").load() }
            == "\(path)\(message)")
      }
    }
  }

  @Test("a missing file's message says how to get it") func missingFiles() throws {
    let directory = try directory()
    try directory.remove("data_batch_4.bin")
    let remedy = "; to get it: unpack cifar-10-binary.tar.gz of www.cs.toronto.edu/~kriz/cifar.html"
    #expect(
      refusal { _ = try DatasetSource("cifar10:\(directory.root)").load() }
        == "\(directory.root): no such data_batch_4.bin\(remedy)")
    #expect(
      refusal { _ = try DatasetSource("cifar10:\(directory.root)/none").load() }
        == "\(directory.root)/none: no such directory\(remedy)")
  }
}
