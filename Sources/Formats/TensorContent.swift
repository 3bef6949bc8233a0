import LinearAlgebra

/// Describes a tensor to write, and writes its elements on demand.
public struct TensorContent {
  public let name: String
  public let type: TensorType
  /// Dimensions, the last one varying fastest.
  public let shape: [Int]
  /// Writes the elements in row-major order.
  public let fill: (UnsafeMutableRawBufferPointer) throws(InputError) -> Void

  /// Creates a tensor whose elements are written later.
  ///
  /// - Parameter fill: writes the elements in row-major order when the file reaches them.
  public init(
    name: String, type: TensorType, shape: [Int],
    fill: @escaping (UnsafeMutableRawBufferPointer) throws(InputError) -> Void
  ) {
    (self.name, self.type, self.shape, self.fill) = (name, type, shape, fill)
  }

  /// Creates a tensor from values in memory.
  ///
  /// - Parameter values: F32 or F64 by their scalar; must outlive the result.
  public init<Element: Scalar>(
    name: String, shape: [Int], values: UnsafeBufferPointer<Element>
  ) {
    self.init(name: name, type: TensorType(Element.self), shape: shape) {
      memory throws(InputError) in
      memory.copyMemory(from: UnsafeRawBufferPointer(values))
    }
  }
}
