import Datasets
import Foundation
import Support
import Testing

struct ImageDatasetTests {
  @Test("the digits are the published ones") func publishedDigits() throws {
    let digits = try DatasetSource("digits").load()
    #expect(digits.name == "digits")
    #expect(digits.inputShape == [1, 8, 8])
    #expect(digits.targets == .classes(count: 10, positions: 1))
    #expect(
      digits.description == "digits: 1437 training and 360 test images, 8×8, 10 classes")
    let (training, test) = try images(digits)
    let pixels = training.pixels + test.pixels
    #expect(pixels.count == 1797 * 64)
    #expect(pixels.max() == 16)
    #expect(pixels.prefix(16) == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])
    // The sums are from NumPy 2.4 on the files; the class counts also agree with UCI's
    // optdigits.names.
    #expect(pixels.reduce(0) { $0 + Int($1) } == 561_718)
    let labels = training.labels + test.labels
    let counts = (0..<10).map { label in labels.count { $0 == label } }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(training.labels.prefix(10) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(test.labels.prefix(10) == [2, 3, 4, 5, 6, 7, 8, 9, 0, 9])
  }

  @Test("a directory of IDX files holds the same digits") func idxDigits() throws {
    let digits = try DatasetSource("digits").load()
    let files = try DatasetSource("idx:\(digitsDirectory)").load()
    #expect(files.training.bytes == digits.training.bytes)
    #expect(files.test.bytes == digits.test.bytes)
    #expect(files.byteCount == 1797 * 65)
    // The default scales of the two sources differ.
    let pixels = try images(digits).training.pixels.prefix(64)
    #expect(digits.training.inputs([0]) == pixels.map { Float($0) / 16 })
    #expect(files.training.inputs([0]) == pixels.map { Float($0) / 255 })
  }

  func images(_ dataset: Dataset) throws -> (training: LabelledImages, test: LabelledImages) {
    (
      try #require(dataset.training as? LabelledImages),
      try #require(dataset.test as? LabelledImages)
    )
  }

  @Test(
    "Fashion-MNIST is read",
    .enabled(
      if: FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist"),
      "Debian's dataset-fashion-mnist is not on this machine"))
  func fashionMNIST() throws {
    let fashion = try DatasetSource("fashion-mnist").load()
    #expect(fashion.inputShape == [1, 28, 28])
    #expect(fashion.targets == .classes(count: 10, positions: 1))
    let (training, test) = try images(fashion)
    #expect(training.count == 60_000)
    #expect(test.count == 10_000)
    // The sums are from NumPy 2.4 on the inflated files.
    #expect(training.pixels.reduce(0) { $0 + Int($1) } == 3_431_114_169)
    #expect(test.pixels.reduce(0) { $0 + Int($1) } == 573_469_082)
    #expect(training.labels.prefix(10) == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
  }

  @Test("sources are named as the user types them") func sourceNames() throws {
    for name in [
      "fashion-mnist", "digits", "mnist", "idx:some/where", "cifar10:c", "text:a b", "tokens:t",
      "csv:c:d", "npy:x,y", "npy:a,b,c,d",
    ] {
      #expect(try DatasetSource(name).description == name)
    }
    #expect(try DatasetSource("idx:a:b") == .idx(directory: "a:b"))
    #expect(try DatasetSource("digits").pixelMaximum == 16)
    #expect(try DatasetSource("mnist").pixelMaximum == 255)
    for name in ["", "idx:", "idx", "Digits", "cifar10", "digits:", "csv:", ":", "text"] {
      #expect(
        refusal { _ = try DatasetSource(name) }
          == "dataset: unknown source: expected fashion-mnist, digits, mnist, idx:DIR, "
          + "cifar10:DIR, text:FILE, tokens:FILE, csv:FILE or npy:INPUTS.npy,TARGETS.npy, "
          + "got '\(name)'")
    }
    for name in ["npy:x", "npy:x,y,z", "npy:x,", "npy:,", "npy:a,b,c,d,e"] {
      #expect(
        refusal { _ = try DatasetSource(name) }
          == "dataset: npy takes two files or four: expected npy:INPUTS.npy,TARGETS.npy or "
          + "npy:TRAIN_X.npy,TRAIN_Y.npy,TEST_X.npy,TEST_Y.npy, got '\(name)'")
    }
  }

  @Test("a missing data set's message says how to get it") func missingData() throws {
    let directory = try TemporaryDirectory()
    let missing = "\(directory.root)/none"
    let transform = try InputTransform(scale: 1)
    #expect(
      refusal {
        _ = try Dataset(name: "n", idx: missing, transform: transform, remedy: "make data")
      }
        == "\(missing): no such directory; to get it: make data")
    try directory.write(idxBytes(shape: [1, 1, 1], values: [0]), to: "train-images-idx3-ubyte")
    #expect(
      refusal { _ = try Dataset(name: "n", idx: directory.root, transform: transform) }
        == "\(directory.root): no such train-labels-idx1-ubyte[.gz]")
  }

  /// Returns a directory of two training images and one test image, with one file replaced.
  func directory(replacing name: String, with bytes: [UInt8]) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let good = [
      "train-images-idx3-ubyte": idxBytes(shape: [2, 1, 3], values: [1, 2, 3, 4, 5, 6]),
      "train-labels-idx1-ubyte": idxBytes(shape: [2], values: [0, 1]),
      "t10k-images-idx3-ubyte": idxBytes(shape: [1, 1, 3], values: [7, 8, 9]),
      "t10k-labels-idx1-ubyte": idxBytes(shape: [1], values: [1]),
    ]
    for (file, content) in good { try directory.write(content, to: file) }
    try directory.write(bytes, to: name)
    return directory
  }

  @Test("files that do not match are named") func mismatchedFiles() throws {
    let cases: [(file: String, bytes: [UInt8], message: String)] = [
      (
        "train-labels-idx1-ubyte", idxBytes(shape: [1], values: [1]),
        "D/train-images-idx3-ubyte: holds 2 images, D/train-labels-idx1-ubyte holds 1 labels"
      ),
      (
        "train-images-idx3-ubyte", idxBytes(shape: [2], values: [0, 1]),
        "D/train-images-idx3-ubyte: wrong kind of IDX file: "
          + "expected 3 dimensions (images), got 1 dimension (labels)"
      ),
      (
        "train-images-idx3-ubyte", idxBytes(shape: [2, 0, 3], values: []),
        "D/train-images-idx3-ubyte: holds no pixels: its shape is [2, 0, 3]"
      ),
      (
        "t10k-images-idx3-ubyte", idxBytes(shape: [1, 3, 1], values: [7, 8, 9]),
        "D/t10k-images-idx3-ubyte: the shape of its images differs from "
          + "D/train-images-idx3-ubyte: expected [1, 1, 3], got [1, 3, 1]"
      ),
      (
        "train-labels-idx1-ubyte", idxBytes(shape: [2], values: [0, 0]),
        "D/train-labels-idx1-ubyte: every label is 0: at least 2 classes are needed"
      ),
      (
        "t10k-labels-idx1-ubyte", idxBytes(shape: [1], values: [2]),
        "D/t10k-labels-idx1-ubyte: label of example 0 is not a class of the training part: "
          + "expected 0 to 1, got 2"
      ),
    ]
    for (file, bytes, message) in cases {
      let directory = try directory(replacing: file, with: bytes)
      let source = try DatasetSource("idx:\(directory.root)")
      let expected = message.replacingOccurrences(of: "D/", with: directory.root + "/")
      #expect(refusal { _ = try source.load() } == expected)
    }
  }

  @Test("classes are counted in the training part") func classCount() throws {
    let directory = try directory(
      replacing: "train-labels-idx1-ubyte", with: idxBytes(shape: [2], values: [0, 255]))
    let dataset = try DatasetSource("idx:\(directory.root)").load()
    #expect(dataset.targets == .classes(count: 256, positions: 1))
    #expect(dataset.inputShape == [1, 1, 3])
  }
}
