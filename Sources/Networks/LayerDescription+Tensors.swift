/// A tensor that a layer has: its name within the layer, and what is in it at first.
struct LayerTensor {
  let name: String
  let shape: [Int]
  let initialValues: InitialValues
}

extension LayerDescription {
  /// The layer's parameters for inputs of `shape`, in PyTorch's order: weights before biases.
  func parameterTensors(for shape: [Int]) -> [LayerTensor] {
    switch kind {
    case .linear(let inputs, let outputs, let bias):
      return affine("", [outputs, inputs], bias)
    case .conv2d(let inputs, let outputs, let kernel, _, _, let bias):
      return affine("", [outputs, inputs, kernel, kernel], bias)
    case .batchNorm, .layerNorm:
      let features = shape.count == 3 ? shape[0] : shape.last!
      return [
        LayerTensor(name: "weight", shape: [features], initialValues: .constant(1)),
        LayerTensor(name: "bias", shape: [features], initialValues: .constant(0)),
      ]
    case .embedding(let vocabulary, let width):
      return [table([vocabulary, width], or: .normal(std: 1))]
    case .positionEmbedding:
      return [table(shape, or: .normal(std: 0.02))]
    case .attention:
      let width = shape[1]
      var layer = self
      layer.initialization = initialization ?? Initialization(.xavierUniform)
      let input = layer.affine("in_proj_", [3 * width, width], true)
      layer.initialization = initialization ?? Initialization(.uniform)
      return input + layer.affine("out_proj.", [width, width], true)
    default:
      return []
    }
  }

  /// What the layer keeps beside its parameters: running statistics.
  func stateTensors(for shape: [Int]) -> [LayerTensor] {
    guard case .batchNorm = kind else { return [] }
    return [
      LayerTensor(name: "running_mean", shape: [shape[0]], initialValues: .constant(0)),
      LayerTensor(name: "running_var", shape: [shape[0]], initialValues: .constant(1)),
    ]
  }

  private func affine(_ prefix: String, _ shape: [Int], _ hasBias: Bool) -> [LayerTensor] {
    let positions = shape.dropFirst(2).reduce(1, *)
    let fanIn = shape[1] * positions
    let uniform = Initialization(.uniform).values(fanIn: fanIn, fanOut: 1)
    let weights = initialization?.values(fanIn: fanIn, fanOut: shape[0] * positions) ?? uniform
    let weight = LayerTensor(name: "\(prefix)weight", shape: shape, initialValues: weights)
    guard hasBias else { return [weight] }
    return [
      weight,
      LayerTensor(
        name: "\(prefix)bias", shape: [shape[0]],
        initialValues: initialization == nil ? uniform : .constant(0)),
    ]
  }

  private func table(_ shape: [Int], or standard: Initialization) -> LayerTensor {
    LayerTensor(
      name: "weight", shape: shape,
      initialValues: (initialization ?? standard).values(fanIn: shape[1], fanOut: shape[0]))
  }
}
