extension NetworkDescription {
  /// Names that `builtIn` accepts.
  public static let builtInNames = [
    "mlp", "cnn", "resnet20", "resnet32", "wideresnet-22-2", "vit-tiny", "gpt-mini",
  ]

  /// Returns the network of a name; nil for an unknown name.
  ///
  /// - Parameters:
  ///   - input: shape of an example; [positions] for gpt-mini.
  ///   - outputs: number of classes, of tokens in the vocabulary, or of values.
  public static func builtIn(
    _ name: String, input: [Int], outputs: Int
  ) throws -> NetworkDescription? {
    switch name {
    case "mlp": return try mlp(input: input, classes: outputs)
    case "cnn": return try cnn(input: input, classes: outputs)
    case "resnet20": return try resnet(blocks: 3, input: input, classes: outputs)
    case "resnet32": return try resnet(blocks: 5, input: input, classes: outputs)
    case "wideresnet-22-2":
      return try wideResnet(blocks: 3, width: 2, input: input, classes: outputs)
    case "vit-tiny": return try vitTiny(input: input, classes: outputs)
    case "gpt-mini":
      precondition(input.count == 1, "gpt-mini of inputs \(input), not [positions]")
      return try gptMini(vocabulary: outputs, positions: input[0])
    default: return nil
    }
  }
}

extension NetworkDescription {
  /// Returns flatten – linear 128 – relu – linear 64 – relu – linear to the classes.
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

  /// Returns conv 16 – relu – pool – conv 32 – relu – pool – flatten – linear 64 – relu – linear to
  /// the classes. Convolutions are 3×3 with padding 1, pools 2×2.
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
