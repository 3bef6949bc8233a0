/// Where each named tensor lies in a flat vector: the parameters [d], or what a network keeps
/// beside them [s].
///
/// A name is the names of the layers around and of the layer, and then `weight`, `bias`, …, with
/// points between: those of PyTorch's modules of the same names.
public struct ParameterLayout: Sendable, Equatable {
  /// A tensor of the network, and its place in the vector.
  public struct Tensor: Sendable, Equatable {
    /// `4.weight`, `layer1.0.conv1.weight`
    public let name: String
    /// [out, in] of a linear layer, [out, in, kernel, kernel] of a convolution, [out] of a bias.
    public let shape: [Int]
    /// Its elements in row-major order.
    public let range: Range<Int>
    let initialValues: InitialValues
  }

  /// In the order of the layers; their ranges follow one another without gaps.
  public private(set) var tensors: [Tensor] = []
  private var indexOfName: [String: Int] = [:]

  /// d
  public var count: Int { tensors.last?.range.upperBound ?? 0 }

  /// The tensor of that name.
  public subscript(name: String) -> Tensor? { indexOfName[name].map { tensors[$0] } }

  /// Adds a layer's tensors at the end; returns their indices.
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
