import Networks
import Testing

@Suite struct LayoutTests {
  @Test func namesShapesAndOffsetsOfTheConvolutionalNetwork() throws {
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

  @Test func namesOfThePerceptronAndWithoutBias() throws {
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

  @Test func initialValuesAreOfTheSeedAloneAndWithinTheirBounds() throws {
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
      // Of a uniform variable the mean square is bound²/3; with k values it varies by about
      // 0.9/√k of itself.
      let meanSquare = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      let spread = 4 * 0.9 / Double(values.count).squareRoot()
      #expect((meanSquare / (bound * bound / 3) - 1).magnitude <= spread)
      #expect(Set(values).count > values.count * 9 / 10)
    }
  }
}
