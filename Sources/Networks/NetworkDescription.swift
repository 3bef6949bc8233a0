/// A network as a value: the shape of an example and the list of layers, checked to fit together.
public struct NetworkDescription: Sendable, Equatable {
  /// The shape of an example: [channels, height, width] before convolutions, else any.
  public let input: [Int]
  public let layers: [LayerDescription]
  /// `shapes[i]` is the shape that layer i reads; the last is that of the network's output.
  public let shapes: [[Int]]
  /// Names, shapes and places of the parameters.
  public let layout: ParameterLayout

  /// - Throws: `NetworkDescriptionError` naming the first layer whose sizes are not positive, do
  ///   not follow the layer before it, or are too large; or that there are no layers, no
  ///   parameters, or that the output has more than one dimension.
  public init(
    input: [Int], layers: [LayerDescription]
  ) throws(NetworkDescriptionError) {
    guard !input.isEmpty, input.allSatisfy({ $0 > 0 }), boundedProduct(input) != nil else {
      throw NetworkDescriptionError(
        "input must be positive sizes with a product up to \(largestCount), got \(input)")
    }
    guard let last = layers.last else {
      throw NetworkDescriptionError("layers is empty: a network needs at least one layer")
    }
    var shapes = [input]
    for (index, layer) in layers.enumerated() {
      let giver = index == 0 ? "the input" : "layer \(index - 1) (\(layers[index - 1].name))"
      do throws(LayerProblem) {
        shapes.append(try layer.outputShape(of: shapes[index], from: giver))
      } catch {
        throw NetworkDescriptionError(layer: index, layerName: layer.name, error.message)
      }
      guard boundedProduct(shapes[index + 1]) != nil else {
        throw NetworkDescriptionError(
          layer: index, layerName: layer.name,
          "gives \(shapes[index + 1]), more than \(largestCount) elements")
      }
    }
    guard shapes[layers.count].count == 1 else {
      throw NetworkDescriptionError(
        layer: layers.count - 1, layerName: last.name,
        "gives \(shapes[layers.count]): the last layer must give one dimension; add flatten")
    }
    self.input = input
    self.layers = layers
    self.shapes = shapes
    layout = try ParameterLayout(of: layers)
  }

  /// Elements of an example.
  public var inputCount: Int { input.reduce(1, *) }

  /// Outputs of an example: classes.
  public var outputCount: Int { shapes[layers.count][0] }
}

extension NetworkDescription {
  /// flatten – linear 128 – relu – linear 64 – relu – linear to the classes.
  public static func mlp(
    input: [Int], classes: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    try NetworkDescription(
      input: input,
      layers: [
        .flatten,
        .linear(inputs: boundedProduct(input) ?? 0, outputs: 128), .relu,
        .linear(inputs: 128, outputs: 64), .relu,
        .linear(inputs: 64, outputs: classes),
      ])
  }

  /// conv 16 – relu – pool – conv 32 – relu – pool – flatten – linear 64 – relu – linear to the
  /// classes; convolutions 3×3 with padding 1, pools 2×2.
  public static func cnn(
    input: [Int], classes: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    guard input.count == 3 else {
      throw NetworkDescriptionError("cnn expects an input [channels, height, width], got \(input)")
    }
    let flat = boundedProduct([32, input[1] / 4, input[2] / 4]) ?? 0
    return try NetworkDescription(
      input: input,
      layers: [
        .conv2d(inputs: input[0], outputs: 16, kernel: 3, padding: 1), .relu,
        .maxPool2d(kernel: 2),
        .conv2d(inputs: 16, outputs: 32, kernel: 3, padding: 1), .relu,
        .maxPool2d(kernel: 2),
        .flatten,
        .linear(inputs: flat, outputs: 64), .relu,
        .linear(inputs: 64, outputs: classes),
      ])
  }
}
