extension NetworkDescription {
  /// Returns a residual network of `6·blocks + 2` layers for small images: 20 with 3 blocks, 32
  /// with 5.
  ///
  /// Tensors are named as in the common PyTorch definition for CIFAR
  /// (`layer2.0.downsample.0.weight`). He, Zhang, Ren and Sun, "Deep residual learning for image
  /// recognition", 2016, section 4.2, with shortcuts of type B.
  public static func resnet(
    blocks: Int, input: [Int], classes: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    try checkImage(input, "resnet")
    func stage(_ index: Int, inputs: Int, outputs: Int) -> LayerDescription {
      .sequence(
        (0..<blocks).map { block in
          let isFirst = block == 0
          let stride = isFirst && inputs != outputs ? 2 : 1
          return .sequence([
            .add(
              [
                conv3(isFirst ? inputs : outputs, outputs, stride).named("conv1"),
                .batchNorm.named("bn1"), .relu,
                conv3(outputs, outputs).named("conv2"), .batchNorm.named("bn2"),
              ],
              shortcut: stride == 1
                ? nil
                : .sequence([conv1(inputs, outputs, stride), .batchNorm]).named("downsample")
            ).named(""),
            .relu,
          ])
        }
      ).named("layer\(index)")
    }
    return try NetworkDescription(
      input: input,
      layers: [
        conv3(input[0], 16).named("conv1"), .batchNorm.named("bn1"), .relu,
        stage(1, inputs: 16, outputs: 16), stage(2, inputs: 16, outputs: 32),
        stage(3, inputs: 32, outputs: 64),
        .globalAveragePool, .linear(inputs: 64, outputs: classes).named("fc"),
      ])
  }

  /// Returns a wide residual network of `6·blocks + 4` layers with `16·width`, `32·width` and
  /// `64·width` channels: 22 layers with 3 blocks.
  ///
  /// Zagoruyko and Komodakis, "Wide residual networks", 2016.
  public static func wideResnet(
    blocks: Int, width: Int, input: [Int], classes: Int
  ) throws(NetworkDescriptionError) -> NetworkDescription {
    try checkImage(input, "wideresnet")
    func block(_ inputs: Int, _ outputs: Int, _ stride: Int) -> [LayerDescription] {
      let normalized: [LayerDescription] = [.batchNorm.named("bn1"), .relu]
      let body = [
        conv3(inputs, outputs, stride).named("conv1"), .batchNorm.named("bn2"), .relu,
        conv3(outputs, outputs).named("conv2"),
      ]
      // If the shape changes, the shortcut also reads the normalised values.
      return inputs == outputs
        ? [.add(normalized + body).named("")]
        : normalized + [
          .add(body, shortcut: conv1(inputs, outputs, stride).named("convShortcut")).named("")
        ]
    }
    func stage(_ index: Int, inputs: Int, outputs: Int) -> LayerDescription {
      .sequence([
        .sequence(
          (0..<blocks).map {
            .sequence(
              $0 > 0
                ? block(outputs, outputs, 1)
                : block(inputs, outputs, index == 1 ? 1 : 2))
          }
        ).named("layer")
      ]).named("block\(index)")
    }
    let widths = [16, 16 * width, 32 * width, 64 * width]
    return try NetworkDescription(
      input: input,
      layers: [conv3(input[0], 16).named("conv1")]
        + (1...3).map { stage($0, inputs: widths[$0 - 1], outputs: widths[$0]) }
        + [
          .batchNorm.named("bn1"), .relu, .globalAveragePool,
          .linear(inputs: widths[3], outputs: classes).named("fc"),
        ])
  }

  private static func conv3(_ inputs: Int, _ outputs: Int, _ stride: Int = 1) -> LayerDescription {
    .conv2d(
      inputs: inputs, outputs: outputs, kernel: 3, stride: stride, padding: 1, bias: false
    ).initialized(.kaimingNormal)
  }

  private static func conv1(_ inputs: Int, _ outputs: Int, _ stride: Int) -> LayerDescription {
    .conv2d(inputs: inputs, outputs: outputs, kernel: 1, stride: stride, bias: false)
      .initialized(.kaimingNormal)
  }

  static func checkImage(_ input: [Int], _ model: String) throws(NetworkDescriptionError) {
    guard input.count == 3 else {
      throw NetworkDescriptionError(
        "\(model) expects an input [channels, height, width], got \(input)")
    }
  }
}
