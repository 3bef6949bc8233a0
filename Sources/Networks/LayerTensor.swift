/// Describes a tensor of a layer: its name within the layer, its shape and its initial values.
struct LayerTensor {
  let name: String
  let shape: [Int]
  let initialValues: InitialValues
}

extension LayerTensor {
  /// Returns a weight [outputs, inputs, …] and its bias [outputs]. Both start as in PyTorch; with
  /// an `initialization`, the bias starts at 0.
  static func affine(
    _ shape: [Int], prefix: String = "", hasBias: Bool, _ initialization: Initialization?
  ) -> [LayerTensor] {
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

  /// Returns a weight whose rows are looked up or added unchanged.
  static func table(
    _ shape: [Int], _ initialization: Initialization?, or standard: Initialization
  ) -> LayerTensor {
    LayerTensor(
      name: "weight", shape: shape,
      initialValues: (initialization ?? standard).values(fanIn: shape[1], fanOut: shape[0]))
  }

  /// Returns γ = 1 and β = 0 [features].
  static func scaleAndShift(_ features: Int) -> [LayerTensor] {
    [
      LayerTensor(name: "weight", shape: [features], initialValues: .constant(1)),
      LayerTensor(name: "bias", shape: [features], initialValues: .constant(0)),
    ]
  }
}
