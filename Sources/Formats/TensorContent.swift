import LinearAlgebra

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

  /// - Parameter values: F32 or F64 by their scalar; they are there for as long as this is.
  public init<Element: Scalar>(
    name: String, shape: [Int], values: UnsafeBufferPointer<Element>
  ) {
    self.init(name: name, type: TensorType(Element.self), shape: shape) {
      memory throws(InputError) in
      memory.copyMemory(from: UnsafeRawBufferPointer(values))
    }
  }
}
