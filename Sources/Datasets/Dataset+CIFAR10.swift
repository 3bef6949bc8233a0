import Formats
import Glibc

extension Dataset {
  private static let labelCount: UInt8 = 10
  private static let shape = [3, 32, 32]
  /// Bytes of a record: a label, then the red, green and blue planes, each row by row.
  private static let recordSize = 1 + 3 * 32 * 32

  /// Reads the six files of CIFAR-10's binary version from the directory or its folder
  /// `cifar-10-batches-bin`.
  ///
  /// A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
  /// www.cs.toronto.edu/~kriz/cifar.html describes the format. A file may hold any positive number
  /// of records.
  ///
  /// - Throws: `InputError` naming the missing or truncated file, or the record whose label is out
  ///   of range.
  package init(
    name: String, cifar10 directory: String, transform: InputTransform,
    augmentation: ImageAugmentation? = nil
  ) throws(InputError) {
    let folders = [directory, "\(directory)/cifar-10-batches-bin"]
    let names = (1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]
    let folder =
      folders.first { folder in names.contains { access("\(folder)/\($0)", F_OK) == 0 } }
      ?? directory
    for file in names where access("\(folder)/\(file)", F_OK) != 0 {
      throw InputError(
        folder,
        "no such \(access(folder, F_OK) == 0 ? file : "directory"); to get it: unpack "
          + "cifar-10-binary.tar.gz of www.cs.toronto.edu/~kriz/cifar.html")
    }
    func read(
      _ files: ArraySlice<String>, _ augmentation: ImageAugmentation?
    ) throws(InputError) -> LabelledImages {
      var (pixels, labels): ([UInt8], [UInt8]) = ([], [])
      let inputs = try files.map { file throws(InputError) in try InputFile("\(folder)/\(file)") }
      pixels.reserveCapacity(inputs.reduce(0) { $0 + $1.count })
      for input in inputs { try Self.append(input, to: &pixels, &labels) }
      return try LabelledImages(
        shape: Self.shape, pixels: pixels, labels: labels, classCount: Int(Self.labelCount),
        transform: transform, augmentation: augmentation, source: inputs[0].path)
    }
    try self.init(
      name: name, training: try read(names[..<5], augmentation),
      test: try read(names[5...], nil))
  }

  /// Appends the pixels and labels of a file.
  private static func append(
    _ file: InputFile, to pixels: inout [UInt8], _ labels: inout [UInt8]
  ) throws(InputError) {
    try FileFormat.refuse(
      try file.start(), size: file.count, of: file.path, for: .numbers,
      expected: "records of CIFAR-10's binary version")
    guard file.count > 0, file.count % recordSize == 0 else {
      throw InputError(
        file.path, "truncated, or not CIFAR-10's binary version",
        expected: "a positive multiple of \(recordSize) bytes", got: "\(file.count)")
    }
    let bytes: [UInt8] = try file.read(0..<file.count)
    for start in stride(from: 0, to: bytes.count, by: recordSize) {
      guard bytes[start] < labelCount else {
        throw InputError(
          file.path,
          "label of record \(start / recordSize) (byte \(start)) is out of range",
          expected: "0 to \(labelCount - 1)", got: "\(bytes[start])")
      }
      labels.append(bytes[start])
      pixels += bytes[start + 1..<start + recordSize]
    }
  }
}
