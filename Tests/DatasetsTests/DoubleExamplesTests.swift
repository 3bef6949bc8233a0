import Datasets
import Foundation
import LinearAlgebra
import Support
import Testing

/// Tests data sets of a run in double precision.
struct DoubleExamplesTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private static var options: DatasetOptions {
    var options = DatasetOptions()
    options.precision = .float64
    return options
  }

  private func inputs<Element: Scalar>(
    _ examples: any Examples, _ indices: [Int], epoch: Int? = nil, as scalar: Element.Type
  ) -> [Element] {
    var inputs = [Element](repeating: .nan, count: indices.count * examples.inputCount)
    inputs.withUnsafeMutableBufferPointer {
      examples.fill(inputs: $0, with: indices[...], epoch: epoch)
    }
    return inputs
  }

  private func values<Element: Scalar>(
    _ examples: any Examples, _ indices: [Int], as scalar: Element.Type
  ) -> [Element] {
    var values = [Element](repeating: .nan, count: indices.count * examples.targets.outputs)
    values.withUnsafeMutableBufferPointer { examples.fill(values: $0, with: indices[...]) }
    return values
  }

  @Test("tables are standardised in double precision") func doubleTables() throws {
    let rows: [[Double]] = [
      [0.1, 1e9, 3], [0.7, 1e9 + 1, -2.5], [-1.3, 1e9 + 4, 0.3], [2, 1e9 - 3, 7.7],
      [0.3, 1e9 + 9, 1.1],
    ]
    func text(_ rows: [[Double]]) -> [UInt8] {
      Array(
        (["a,b,y"] + rows.map { $0.map { "\($0)" }.joined(separator: ",") })
          .map { $0 + "\n" }.joined().utf8)
    }
    let training = try directory.write(text(rows), to: "training.csv")
    var options = Self.options
    options.table.testFile = try directory.write(text([[5, 1e9, 0.2]]), to: "test.csv")
    let dataset = try DatasetSource("csv:\(training)").load(options)

    let n = Double(rows.count)
    let means = (0..<3).map { column in rows.reduce(0) { $0 + $1[column] } / n }
    let deviations = (0..<3).map { column in
      (rows.reduce(0) { $0 + ($1[column] - means[column]) * ($1[column] - means[column]) } / n)
        .squareRoot()
    }
    func standardised(_ row: [Double]) -> [Double] {
      (0..<3).map { (row[$0] - means[$0]) / deviations[$0] }
    }
    let expected = rows.map(standardised)
    let order = [3, 0, 4, 1, 2]
    let filled = inputs(dataset.training, order, as: Double.self)
    #expect(filled == order.flatMap { expected[$0][..<2] })
    #expect(values(dataset.training, order, as: Double.self) == order.map { expected[$0][2] })
    let test = standardised([5, 1e9, 0.2])
    #expect(inputs(dataset.test, [0], as: Double.self) == Array(test[..<2]))
    #expect(values(dataset.test, [0], as: Double.self) == [test[2]])
    // Single precision does not hold some of these numbers.
    #expect(filled.contains { Double(Float($0)) != $0 })
    #expect(dataset.training.byteCount == 5 * (2 * 8 + 8 + 8))

    // A run in single precision has the same numbers, rounded once.
    options.precision = .float32
    let single = try DatasetSource("csv:\(training)").load(options)
    #expect(inputs(single.training, order, as: Float.self) == filled.map { Float($0) })
    #expect(inputs(dataset.training, order, as: Float.self) == filled.map { Float($0) })
    #expect(
      inputs(single.training, order, as: Double.self) == filled.map { Double(Float($0)) })
    #expect(single.training.byteCount == 5 * (2 * 4 + 4 + 8))
  }

  @Test("arrays keep their double-precision numbers") func doubleArrays() throws {
    let numbers = [0.1, -1e300, 0x1p-1074, 1.0 / 3]
    let (x, y) = (directory.path("x.npy"), directory.path("y.npy"))
    try Data(NPYTests.npy("<f8", [4, 1], NPYTests.data(numbers))).write(
      to: URL(fileURLWithPath: x))
    try Data(NPYTests.npy("<f8", [4], NPYTests.data([0.3, 1e-9, 2, 0.7]))).write(
      to: URL(fileURLWithPath: y))
    let source = try DatasetSource("npy:\(x),\(y),\(x),\(y)")
    let dataset = try source.load(Self.options)
    #expect(inputs(dataset.training, [0, 1, 2, 3], as: Double.self) == numbers)
    #expect(values(dataset.training, [3, 0], as: Double.self) == [0.7, 0.3])
    #expect(dataset.test.bytes == NPYTests.data(numbers) + NPYTests.data([0.3, 1e-9, 2, 0.7]))
    #expect(
      refusal { _ = try source.load() }
        == "\(x): element [1, 0] is not finite in single precision: got -inf")
    let infinite = try directory.write(
      NPYTests.npy("<f8", [4, 1], NPYTests.data([1, .infinity, 0, 0] as [Double])), to: "i.npy")
    #expect(
      refusal { _ = try DatasetSource("npy:\(infinite),\(y)").load(Self.options) }
        == "\(infinite): element [1, 0] is not finite in double precision: got inf")
  }

  @Test("images are transformed in double precision") func doubleImages() throws {
    let mean = [0.1, 0.2, 0.3]
    let std = [0.7, 0.9, 1.1]
    let pixels = (0..<2 * 3 * 4 * 4).map { UInt8(truncatingIfNeeded: $0 * 37) }
    let images = try LabelledImages(
      shape: [3, 4, 4], pixels: pixels, labels: [0, 1], classCount: 2,
      transform: InputTransform(scale: 1.0 / 255, mean: mean, std: std),
      augmentation: ImageAugmentation(cropPadding: 2, seed: 3), source: "images")
    let expected = (0..<96).map { i in
      let channel = i / 16 % 3
      return (Double(pixels[i]) * (1.0 / 255) - mean[channel]) / std[channel]
    }
    #expect(inputs(images, [0, 1], as: Double.self) == expected)
    for epoch in 0..<6 {
      let augmented = inputs(images, [1, 0], epoch: epoch, as: Double.self)
      #expect(
        inputs(images, [1, 0], epoch: epoch, as: Float.self) == augmented.map { Float($0) })
      #expect(augmented.contains { Double(Float($0)) != $0 })
    }
  }

  @Test("tokens are read as numbers of double precision") func doubleTokens() throws {
    let path = try directory.write(Array("To be, or not to be".utf8), to: "text")
    var options = Self.options
    options.sequences = SequenceOptions(contextLength: 4)
    options.split = Split(testFraction: 0.4)
    let training = try DatasetSource("text:\(path)").load(options).training
    #expect(inputs(training, [1, 0], as: Double.self) == "e, oTo b".utf8.map(Double.init))
    let subset = ExampleSubset(of: training, members: [1])
    #expect(inputs(subset, [0], as: Double.self) == "e, o".utf8.map(Double.init))
  }

  @Test("a transform may exceed single precision, but not double") func transformLimits() throws {
    let transform = try InputTransform(scale: 1, std: 1e-40, precision: .float64)
    #expect(transform(3) == 3e40)
    #expect(
      refusal { _ = try InputTransform(scale: 1, std: 1e-307, precision: .float64) }
        == "input transform: scale 1.0, mean 0.0 and std 1e-307 exceed double precision")
  }
}
