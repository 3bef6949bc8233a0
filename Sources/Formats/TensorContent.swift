/// A tensor of a file that is to be written, and how its elements come to be.
public struct TensorContent {
  /// Under which a reader finds it.
  public let name: String
  /// Of its elements.
  public let type: TensorType
  /// Its dimensions, the last one running fastest.
  public let shape: [Int]
  /// Writes its elements in row-major order.
  public let fill: (UnsafeMutableRawBufferPointer) throws(InputError) -> Void

  /// - Parameter fill: writes the elements in row-major order, when the file comes to them.
  public init(
    name: String, type: TensorType, shape: [Int],
    fill: @escaping (UnsafeMutableRawBufferPointer) throws(InputError) -> Void
  ) {
    (self.name, self.type, self.shape, self.fill) = (name, type, shape, fill)
  }

  /// - Parameter values: of single precision; they are there for as long as this is.
  public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
    self.init(name: name, type: .float32, shape: shape) { memory throws(InputError) in
      memory.copyMemory(from: UnsafeRawBufferPointer(values))
    }
  }
}
