extension NetworkDescription {
  /// A language model: for each position of the context, the next token of a vocabulary.
  ///
  /// 6 layers, 6 heads, width 192, the sizes of A. Karpathy's minGPT under the same name; layer
  /// norms before attention and before the perceptron; learned positions. Its blocks are named as
  /// in PyTorch's `nn.TransformerEncoder`. Radford et al., "Language models are unsupervised
  /// multitask learners", 2019: also the initial values.
  ///
  /// - Parameter positions: tokens in an example, the context length.
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

  /// A vision transformer for small images: patches of 4×4 pixels; 12 layers, 3 heads, width 192;
  /// the mean over the positions is classified.
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
          // What is added to the residual stream 2·depth times starts the smaller for it.
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
