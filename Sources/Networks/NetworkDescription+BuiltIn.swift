extension NetworkDescription {
  /// The names of the networks that `builtIn` makes.
  public static let builtInNames = [
    "mlp", "cnn", "resnet20", "resnet32", "wideresnet-22-2", "vit-tiny", "gpt-mini",
  ]

  /// The network of a name; nil where there is none.
  ///
  /// - Parameters:
  ///   - input: the shape of an example; of gpt-mini [positions].
  ///   - outputs: classes, tokens of the vocabulary, or values.
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
