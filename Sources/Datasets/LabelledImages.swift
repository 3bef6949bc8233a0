/// Images of one shape and their labels: the training or the test part of a dataset.
public struct LabelledImages: Sendable {
  /// Shape of one image, [height, width].
  public let imageShape: [Int]
  /// Shape [count, height, width].
  public let pixels: [UInt8]
  /// Shape [count].
  public let labels: [UInt8]
  let imageFile: String
  let labelFile: String

  public var count: Int { labels.count }
  /// Pixels in one image.
  public var imageSize: Int { pixels.count / count }

  /// - Parameters:
  ///   - images: shape [count, height, width].
  ///   - labels: shape [count].
  /// - Throws: `DatasetError` when the counts differ or there is nothing in them.
  public init(images: IDXArray, labels: IDXArray) throws(DatasetError) {
    precondition(images.shape.count >= 2, "images of shape \(images.shape)")
    precondition(labels.shape.count == 1, "labels of shape \(labels.shape)")
    guard images.shape[0] == labels.shape[0] else {
      throw DatasetError(
        images.file,
        "holds \(images.shape[0]) images, \(labels.file) holds \(labels.shape[0]) labels")
    }
    guard !images.values.isEmpty else {
      throw DatasetError(images.file, "holds no pixels: its shape is \(images.shape)")
    }
    imageShape = Array(images.shape.dropFirst())
    pixels = images.values
    self.labels = labels.values
    imageFile = images.file
    labelFile = labels.file
  }

  /// Writes a batch of network inputs, shape [indices.count, height, width].
  ///
  /// - Parameter inputs: holds exactly `indices.count * imageSize` numbers.
  public func fill(
    _ inputs: UnsafeMutableBufferPointer<Float>, with indices: some Collection<Int>,
    transformedBy transform: InputTransform
  ) {
    let size = imageSize
    precondition(
      inputs.count == indices.count * size,
      "\(inputs.count) numbers for \(indices.count) images of \(size) pixels")
    for (row, index) in indices.enumerated() {
      precondition(labels.indices.contains(index), "example \(index) of \(count)")
      transform.apply(
        to: pixels[index * size..<(index + 1) * size],
        into: UnsafeMutableBufferPointer(rebasing: inputs[row * size..<(row + 1) * size]))
    }
  }

  /// Writes a batch's labels, shape [indices.count].
  ///
  /// - Parameter classes: holds exactly `indices.count` numbers.
  public func fill(
    _ classes: UnsafeMutableBufferPointer<Int32>, with indices: some Collection<Int>
  ) {
    precondition(
      classes.count == indices.count, "\(classes.count) numbers for \(indices.count) labels")
    for (row, index) in indices.enumerated() { classes[row] = Int32(labels[index]) }
  }
}
