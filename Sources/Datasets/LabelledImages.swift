import Formats
import LinearAlgebra

/// Holds images of one shape and their labels: the training or the test part of a dataset.
public struct LabelledImages: Examples {
  /// Shape of one image, [channels, height, width].
  public let inputShape: [Int]
  /// Shape [count, channels, height, width].
  public let pixels: [UInt8]
  /// Shape [count], each below `classCount`.
  public let labels: [UInt8]
  public let classCount: Int
  /// Maps a pixel's byte to an input.
  public let transform: InputTransform
  /// Augmentation in training epochs; nil for none.
  public let augmentation: ImageAugmentation?
  public let source: String

  public var count: Int { labels.count }
  public var targets: TargetKind { .classes(count: classCount, positions: 1) }
  public var byteCount: Int { pixels.count + labels.count }

  /// Creates a part.
  ///
  /// - Parameters:
  ///   - pixels: shape [count, channels, height, width], count and the sizes positive.
  ///   - labels: shape [count], each below `classCount`.
  ///   - source: the images' file, for messages.
  /// - Throws: `InputError` when `transform` is for another number of channels.
  public init(
    shape: [Int], pixels: [UInt8], labels: [UInt8], classCount: Int, transform: InputTransform,
    augmentation: ImageAugmentation? = nil, source: String
  ) throws(InputError) {
    precondition(
      shape.count == 3 && shape.allSatisfy { $0 > 0 }
        && pixels.count == labels.count * shape.reduce(1, *),
      "\(pixels.count) pixels, \(labels.count) labels and images of shape \(shape)")
    precondition(labels.allSatisfy { $0 < classCount }, "labels beyond \(classCount) classes")
    try transform.check(channels: shape[0])
    inputShape = shape
    self.pixels = pixels
    self.labels = labels
    self.classCount = classCount
    self.transform = transform
    self.augmentation = augmentation
    self.source = source
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    let size = inputCount
    check(inputs.count, indices, size: size)
    guard var x = inputs.baseAddress else { return }
    pixels.withUnsafeBufferPointer { pixels in
      transform.withTable { (table: UnsafePointer<Element>, stride) in
        for index in indices {
          let image = pixels.baseAddress! + index * size
          if let augmentation, let epoch {
            let change = augmentation.change(of: index, epoch: epoch)
            write(image, changed: change, table, stride, to: x)
          } else {
            write(image, table, stride, to: x)
          }
          x += size
        }
      }
    }
  }

  private func write<Element: Scalar>(
    _ image: UnsafePointer<UInt8>, _ table: UnsafePointer<Element>, _ stride: Int,
    to x: UnsafeMutablePointer<Element>
  ) {
    let plane = inputShape[1] * inputShape[2]
    for channel in 0..<inputShape[0] {
      let values = table + channel * stride
      for i in channel * plane..<(channel + 1) * plane { x[i] = values[Int(image[i])] }
    }
  }

  private func write<Element: Scalar>(
    _ image: UnsafePointer<UInt8>, changed change: ImageAugmentation.Change,
    _ table: UnsafePointer<Element>, _ stride: Int, to x: UnsafeMutablePointer<Element>
  ) {
    let (height, width) = (inputShape[1], inputShape[2])
    // Columns of the original that appear in the result; none if the shift exceeds the width.
    let seen = max(0, change.right)..<max(max(0, change.right), min(width, width + change.right))
    for channel in 0..<inputShape[0] {
      let values = table + channel * stride
      for y in 0..<height {
        let row = x + (channel * height + y) * width
        let from = y + change.down
        guard from >= 0, from < height, !seen.isEmpty else {
          row.update(repeating: values[0], count: width)
          continue
        }
        let original = image + (channel * height + from) * width
        row.update(repeating: values[0], count: width)
        if change.flipped {
          let last = row + (width - 1 + change.right)
          for i in seen { (last - i).pointee = values[Int(original[i])] }
        } else {
          let first = row - change.right
          for i in seen { first[i] = values[Int(original[i])] }
        }
      }
    }
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    check(classes.count, indices, size: 1)
    for (row, index) in indices.enumerated() { classes[row] = Int32(labels[index]) }
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    pixels.withUnsafeBytes(body)
    labels.withUnsafeBytes(body)
  }
}
