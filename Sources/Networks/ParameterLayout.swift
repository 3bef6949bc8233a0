/// Where each named tensor lies in the flat vector of parameters [d].
///
/// Names are those of PyTorch's `nn.Sequential`: the layer's index in the list, all layers counted,
/// then `weight` or `bias`.
public struct ParameterLayout: Sendable, Equatable {
  public struct Tensor: Sendable, Equatable {
    /// `4.weight`
    public let name: String
    /// [out, in] of a linear layer, [out, in, kernel, kernel] of a convolution, [out] of a bias.
    public let shape: [Int]
    /// Its elements in row-major order.
    public let range: Range<Int>
    /// How many products each output of its layer sums.
    public let fanIn: Int
    /// The layer that it belongs to.
    public let layer: Int
  }

  /// In the order of the layers; their ranges follow one another without gaps.
  public let tensors: [Tensor]

  /// d
  public var count: Int { tensors.last?.range.upperBound ?? 0 }

  init(of layers: [LayerDescription]) throws(NetworkDescriptionError) {
    var tensors: [Tensor] = []
    var offset = 0
    for (index, layer) in layers.enumerated() {
      for tensor in layer.parameterTensors {
        guard let count = boundedProduct(tensor.shape), offset + count <= largestCount else {
          throw NetworkDescriptionError(
            layer: index, layerName: layer.name,
            "\(tensor.name) of shape \(tensor.shape) makes more than \(largestCount) parameters")
        }
        tensors.append(
          Tensor(
            name: "\(index).\(tensor.name)", shape: tensor.shape, range: offset..<offset + count,
            fanIn: tensor.fanIn, layer: index))
        offset += count
      }
    }
    guard !tensors.isEmpty else {
      throw NetworkDescriptionError("no layer has parameters: there is nothing to train")
    }
    self.tensors = tensors
  }

  /// The tensor of that name.
  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name } }
}
