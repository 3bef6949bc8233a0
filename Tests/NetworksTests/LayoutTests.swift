import Networks
import Testing

@Suite struct LayoutTests {
  @Test("the convolutional network has the expected names, shapes and offsets")
  func convolutionalLayout() throws {
    let layout = try NetworkDescription.cnn(input: [1, 28, 28], classes: 10).layout
    #expect(
      layout.tensors.map(\.name) == [
        "0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias", "9.weight", "9.bias",
      ])
    #expect(
      layout.tensors.map(\.shape) == [
        [16, 1, 3, 3], [16], [32, 16, 3, 3], [32], [64, 1568], [64], [10, 64], [10],
      ])
    #expect(layout.count == 105_866)
    var offset = 0
    for tensor in layout.tensors {
      #expect(tensor.range == offset..<offset + tensor.shape.reduce(1, *))
      offset = tensor.range.upperBound
    }
    #expect(layout["7.bias"]?.range.count == 64)
    #expect(layout["7.bias "] == nil)
  }

  @Test("layouts of the perceptron and of a layer without bias have the expected names")
  func perceptronLayout() throws {
    let mlp = try NetworkDescription.mlp(input: [1, 28, 28], classes: 10)
    #expect(mlp.layout.count == 109_386)
    #expect(
      mlp.layout.tensors.map(\.name) == [
        "1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "5.bias",
      ])
    let bare = try NetworkDescription(
      input: [4], layers: [.linear(inputs: 4, outputs: 2, bias: false), .relu])
    #expect(bare.layout.tensors.map(\.name) == ["0.weight"])
  }

  @Test("initial values depend on the seed alone and stay within their bounds")
  func initialValues() throws {
    let description = try NetworkDescription.cnn(input: [1, 28, 28], classes: 10)
    let network = try ArrayNetwork<Float>(description)
    let parameters = network.initialized(seed: 5)
    #expect(parameters == network.initialized(seed: 5))
    #expect(parameters != network.initialized(seed: 6))
    let double = try ArrayNetwork<Double>(description, maximumBatch: 1)
    #expect(parameters == double.initialized(seed: 5).map { Float($0) })
    let fanIns = [9, 9, 144, 144, 1568, 1568, 64, 64]
    #expect(description.layout.tensors.count == fanIns.count)
    for (tensor, fanIn) in zip(description.layout.tensors, fanIns) {
      let bound = 1 / Double(fanIn).squareRoot()
      let values = parameters[tensor.range].map { Double($0) }
      #expect(values.allSatisfy { $0.magnitude <= bound * (1 + 1e-7) })
      // The mean square of a uniform variable is bound²/3; over k values it varies by about 0.9/√k
      // of itself.
      let meanSquare = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      let spread = 4 * 0.9 / Double(values.count).squareRoot()
      #expect((meanSquare / (bound * bound / 3) - 1).magnitude <= spread)
      #expect(Set(values).count > values.count * 9 / 10)
    }
  }

  /// Expects the published sizes: 0.27 and 0.46 million parameters for ResNet-20 and -32 (He et
  /// al., 2016, table 6). PyTorch's common definition has 272,474 and 466,906 with projections as
  /// shortcuts.
  @Test("residual networks have their published sizes and names") func residualLayout() throws {
    let shallow = try NetworkDescription.resnet(blocks: 3, input: [3, 32, 32], classes: 10)
    #expect(shallow.layout.count == 272_474)
    let deep = try NetworkDescription.resnet(blocks: 5, input: [3, 32, 32], classes: 10)
    #expect(deep.layout.count == 466_906)
    let wide = try NetworkDescription.wideResnet(
      blocks: 3, width: 2, input: [3, 32, 32], classes: 10)
    for name in [
      "conv1.weight", "block1.layer.0.bn1.weight", "block2.layer.0.convShortcut.weight",
      "block3.layer.2.conv2.weight", "bn1.bias", "fc.weight",
    ] {
      #expect(wide.layout[name] != nil, "\(name)")
    }
    #expect(wide.layout["block2.layer.1.convShortcut.weight"] == nil)
    #expect(wide.stateLayout["block1.layer.1.bn2.running_var"]?.shape == [32])
  }

  @Test("transformers have PyTorch's names") func transformerLayout() throws {
    let text = try NetworkDescription.gptMini(vocabulary: 256, positions: 64)
    #expect(text.layout["transformer.layers.5.self_attn.in_proj_weight"]?.shape == [576, 192])
    #expect(
      text.layout.tensors.prefix(6).map(\.name) == [
        "embedding.weight", "position_embedding.weight", "transformer.layers.0.norm1.weight",
        "transformer.layers.0.norm1.bias", "transformer.layers.0.self_attn.in_proj_weight",
        "transformer.layers.0.self_attn.in_proj_bias",
      ])
    // 12·192² + 13·192 for each of 6 blocks, the final norm, tables and the head.
    let block = 12 * 192 * 192 + 13 * 192
    #expect(text.layout.count == 6 * block + 2 * 192 + (256 + 64) * 192 + 256 * 193)
    let image = try NetworkDescription.vitTiny(input: [3, 32, 32], classes: 10)
    #expect(image.layout["position_embedding.weight"]?.shape == [64, 192])
  }

  @Test("initial values have the variance of their scheme") func initialVariances() throws {
    // The variance of each scheme for 200 inputs and 300 outputs.
    let variances: [(Initialization, Double)] = [
      (Initialization(.uniform), 1 / 600.0), (.normal(std: 0.02), 4e-4),
      (.kaimingNormal, 2 / 200.0), (Initialization(.kaimingUniform), 2 / 200.0),
      (Initialization(.xavierNormal), 2 / 500.0), (Initialization(.xavierUniform), 2 / 500.0),
      (Initialization(.kaimingNormal, scale: 0.5), 0.5 / 200),
    ]
    for (initialization, variance) in variances {
      let network = try ArrayNetwork<Double>(
        NetworkDescription(
          input: [200],
          layers: [.linear(inputs: 200, outputs: 300).initialized(initialization)]))
      let values = network.initialized(seed: 2)
      let weights = values.prefix(60_000)
      let square = weights.reduce(0) { $0 + $1 * $1 } / 60_000
      // The mean square of 60,000 normal variables varies by √(2/60,000) = 0.6 % of itself.
      #expect((square / variance - 1).magnitude <= 0.025, "\(initialization)")
      #expect(values.suffix(300).allSatisfy { $0 == 0 })
    }
  }
}
