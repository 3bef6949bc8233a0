import CDigits
import Glibc

extension ImageDataset {
  /// Reads a directory of the four IDX files under the names that MNIST gave them, each with or
  /// without `.gz`.
  ///
  /// - Parameter remedy: the command that brings these data, told when they are missing.
  package init(name: String, directory: String, remedy: String? = nil) throws(DatasetError) {
    func read(_ file: String, rank: Int) throws(DatasetError) -> IDXArray {
      let paths = ["", ".gz"].map { "\(directory)/\(file)\($0)" }
      guard let path = paths.first(where: { access($0, F_OK) == 0 }) else {
        let missing = access(directory, F_OK) == 0 ? "\(file)[.gz]" : "directory"
        throw DatasetError(
          directory, "no such \(missing)" + (remedy.map { "; to get it: \($0)" } ?? ""))
      }
      return try IDXArray(path: path, rank: rank)
    }
    try self.init(
      name: name,
      training: LabelledImages(
        images: read("train-images-idx3-ubyte", rank: 3),
        labels: read("train-labels-idx1-ubyte", rank: 1)),
      test: LabelledImages(
        images: read("t10k-images-idx3-ubyte", rank: 3),
        labels: read("t10k-labels-idx1-ubyte", rank: 1)))
  }

  /// The UCI optical digits: 1437 training and 360 test images, 8×8, values 0 to 16.
  static func digits(name: String) throws(DatasetError) -> ImageDataset {
    func read(
      _ file: digits_file, _ part: String, rank: Int
    ) throws(DatasetError) -> IDXArray {
      let bytes = Array(UnsafeBufferPointer(start: file.bytes, count: file.length))
      return try IDXArray(bytes: bytes, file: "embedded digits, \(part)", rank: rank)
    }
    return try ImageDataset(
      name: name,
      training: LabelledImages(
        images: read(digits_train_images(), "training images", rank: 3),
        labels: read(digits_train_labels(), "training labels", rank: 1)),
      test: LabelledImages(
        images: read(digits_test_images(), "test images", rank: 3),
        labels: read(digits_test_labels(), "test labels", rank: 1)))
  }
}
