extension NetworkDescription {
  /// Returns a language model, which predicts the next token at each position of the context.
  ///
  /// It has 6 layers, 6 heads and width 192, the sizes of A. Karpathy's minGPT under the same name.
  /// Layer norms precede attention and the perceptron; positions are learned. Blocks are named as
  /// in PyTorch's `nn.TransformerEncoder`. The architecture and the initial values follow Radford
  /// et al., "Language models are unsupervised multitask learners", 2019.
  ///
  /// - Parameter positions: the context length, tokens in an example.
  public static func gptMini(
    vocabulary: Int, positions: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    let (width, depth) = (192, 6)
    return try NetworkDescription(
      input: [positions],
      layers: [
        .embedding(vocabulary: vocabulary, width: width).named("embedding")
          .initialized(.normal(std: 0.02)),
        .positionEmbedding.named("position_embedding").initialized(.normal(std: 0.02)),
      ] + encoder(depth: depth, heads: 6, width: width, isCausal: true) + [
        .linear(inputs: width, outputs: vocabulary).named("head").initialized(.normal(std: 0.02))
      ])
  }

  /// Returns a vision transformer for small images: patches of 4×4 pixels, 12 layers, 3 heads,
  /// width 192. It classifies the mean over the positions.
  ///
  /// Dosovitskiy et al., "An image is worth 16×16 words", 2021, in the size of Touvron et al.,
  /// "Training data-efficient image transformers", 2021.
  public static func vitTiny(
    input: [Int], classes: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    try checkImage(input, "vit-tiny")
    let width = 192
    return try NetworkDescription(
      input: input,
      layers: [
        .conv2d(inputs: input[0], outputs: width, kernel: 4, stride: 4).named("patch_embedding"),
        .toSequence,
        .positionEmbedding.named("position_embedding").initialized(.normal(std: 0.02)),
      ] + encoder(depth: 12, heads: 3, width: width, isCausal: false) + [
        .globalAveragePool, .linear(inputs: width, outputs: classes).named("head"),
      ])
  }

  private static func encoder(
    depth: Int, heads: Int, width: Int, isCausal: Bool
  ) -> [LayerDescription] {
    func projection(_ inputs: Int, _ outputs: Int, std: Double) -> LayerDescription {
      .linear(inputs: inputs, outputs: outputs).initialized(.normal(std: std))
    }
    let blocks = (0..<depth).map { _ -> LayerDescription in
      .sequence([
        .add([
          .layerNorm.named("norm1"),
          .attention(heads: heads, isCausal: isCausal).named("self_attn")
            .initialized(.normal(std: 0.02)),
        ]).named(""),
        .add([
          .layerNorm.named("norm2"), projection(width, 4 * width, std: 0.02).named("linear1"),
          .gelu,
          // The residual stream sums 2·depth branches, so each starts smaller by √(2·depth).
          projection(4 * width, width, std: 0.02 / (2 * Double(depth)).squareRoot())
            .named("linear2"),
        ]).named(""),
      ])
    }
    return [
      .sequence([.sequence(blocks).named("layers"), .layerNorm.named("norm")]).named("transformer")
    ]
  }
}
