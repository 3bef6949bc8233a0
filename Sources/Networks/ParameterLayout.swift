/// Locates each named tensor in a flat vector: the parameters [d], or the running statistics [s].
///
/// A name joins, with points, the names of the enclosing layers, of the layer, and `weight`,
/// `bias`, …: the names of PyTorch's modules.
public struct ParameterLayout: Sendable, Equatable {
  /// Describes a tensor of the network and its range in the vector.
  public struct Tensor: Sendable, Equatable {
    /// `4.weight`, `layer1.0.conv1.weight`
    public let name: String
    /// [out, in] of a linear layer, [out, in, kernel, kernel] of a convolution, [out] of a bias.
    public let shape: [Int]
    /// Range of its elements, in row-major order.
    public let range: Range<Int>
    let initialValues: InitialValues
  }

  /// Tensors in the order of the layers; their ranges are contiguous.
  public private(set) var tensors: [Tensor] = []
  private var indexOfName: [String: Int] = [:]

  /// d
  public var count: Int { tensors.last?.range.upperBound ?? 0 }

  /// Returns the tensor of that name.
  public subscript(name: String) -> Tensor? { indexOfName[name].map { tensors[$0] } }

  /// Appends a layer's tensors; returns their indices.
  mutating func append(
    _ added: [LayerTensor], of path: String
  ) throws(LayerProblem) -> Range<Int> {
    let first = tensors.count
    for tensor in added {
      guard let size = boundedProduct(tensor.shape), count + size <= largestCount else {
        throw LayerProblem(
          "\(tensor.name) of shape \(tensor.shape) makes more than \(largestCount) parameters")
      }
      let name = path.isEmpty ? tensor.name : "\(path).\(tensor.name)"
      guard indexOfName.updateValue(tensors.count, forKey: name) == nil else {
        throw LayerProblem("two tensors are named '\(name)'")
      }
      tensors.append(
        Tensor(
          name: name, shape: tensor.shape, range: count..<count + size,
          initialValues: tensor.initialValues))
    }
    return first..<tensors.count
  }
}
