import CDigits
import Formats
import Glibc

extension Dataset {
  /// Reads the four IDX files of a directory under MNIST's file names, each with or without `.gz`.
  ///
  /// - Parameter remedy: the command that fetches the data, shown when they are missing.
  package init(
    name: String, idx directory: String, transform: InputTransform,
    augmentation: ImageAugmentation? = nil, remedy: String? = nil
  ) throws(InputError) {
    func read(_ file: String, rank: Int) throws(InputError) -> IDXArray {
      let paths = ["", ".gz"].map { "\(directory)/\(file)\($0)" }
      guard let path = paths.first(where: { access($0, F_OK) == 0 }) else {
        let missing = access(directory, F_OK) == 0 ? "\(file)[.gz]" : "directory"
        throw InputError(
          directory, "no such \(missing)" + (remedy.map { "; to get it: \($0)" } ?? ""))
      }
      return try IDXArray(path: path, rank: rank)
    }
    try self.init(
      name: name,
      training: (
        read("train-images-idx3-ubyte", rank: 3), read("train-labels-idx1-ubyte", rank: 1)
      ),
      test: (read("t10k-images-idx3-ubyte", rank: 3), read("t10k-labels-idx1-ubyte", rank: 1)),
      transform: transform, augmentation: augmentation)
  }

  /// Returns the UCI optical digits: 1437 training and 360 test images, 8×8, values 0 to 16.
  static func digits(
    name: String, transform: InputTransform, augmentation: ImageAugmentation?
  ) throws(InputError) -> Dataset {
    func read(
      _ file: digits_file, _ part: String, rank: Int
    ) throws(InputError) -> IDXArray {
      let bytes = Array(UnsafeBufferPointer(start: file.bytes, count: file.length))
      return try IDXArray(bytes: bytes, file: "embedded digits, \(part)", rank: rank)
    }
    return try Dataset(
      name: name,
      training: (
        read(digits_train_images(), "training images", rank: 3),
        read(digits_train_labels(), "training labels", rank: 1)
      ),
      test: (
        read(digits_test_images(), "test images", rank: 3),
        read(digits_test_labels(), "test labels", rank: 1)
      ),
      transform: transform, augmentation: augmentation)
  }

  private typealias IDXPart = (images: IDXArray, labels: IDXArray)

  /// Joins the images [count, height, width] and labels [count] of each part.
  private init(
    name: String, training: IDXPart, test: IDXPart, transform: InputTransform,
    augmentation: ImageAugmentation?
  ) throws(InputError) {
    let classCount = 1 + Int(training.labels.values.max() ?? 0)
    let trainingImages = try LabelledImages(
      training.images, training.labels, classCount: classCount, transform: transform,
      augmentation: augmentation)
    guard classCount >= 2 else {
      throw InputError(
        training.labels.file, "every label is 0: at least 2 classes are needed")
    }
    let testImages = try LabelledImages(
      test.images, test.labels, classCount: classCount, transform: transform)
    try self.init(name: name, training: trainingImages, test: testImages)
  }

  /// Creates a dataset of training and test images.
  init(
    name: String, training: LabelledImages, test: LabelledImages
  ) throws(InputError) {
    // The description omits a single channel.
    let shape = training.inputShape[0] == 1 ? training.inputShape[1...] : training.inputShape[...]
    try self.init(
      name: name, training: training, test: test, noun: "images",
      details: ", " + shape.map(String.init).joined(separator: "×")
        + ", \(training.classCount) classes")
  }
}

extension LabelledImages {
  /// Creates images of one channel.
  ///
  /// - Parameters:
  ///   - images: shape [count, height, width].
  ///   - labels: shape [count].
  /// - Throws: `InputError` when the counts differ, there are no pixels, or a label is not below
  ///   `classCount`.
  package init(
    _ images: IDXArray, _ labels: IDXArray, classCount: Int, transform: InputTransform,
    augmentation: ImageAugmentation? = nil
  ) throws(InputError) {
    precondition(images.shape.count == 3, "images of shape \(images.shape)")
    precondition(labels.shape.count == 1, "labels of shape \(labels.shape)")
    guard images.shape[0] == labels.shape[0] else {
      throw InputError(
        images.file,
        "holds \(images.shape[0]) images, \(labels.file) holds \(labels.shape[0]) labels")
    }
    guard !images.values.isEmpty else {
      throw InputError(images.file, "holds no pixels: its shape is \(images.shape)")
    }
    if let example = labels.values.firstIndex(where: { $0 >= classCount }) {
      throw InputError(
        labels.file, "label of example \(example) is not a class of the training part",
        expected: "0 to \(classCount - 1)", got: "\(labels.values[example])")
    }
    try self.init(
      shape: [1] + images.shape.dropFirst(), pixels: images.values, labels: labels.values,
      classCount: classCount, transform: transform, augmentation: augmentation,
      source: images.file)
  }
}
