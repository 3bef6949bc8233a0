import Formats
import Foundation
import LinearAlgebra
import Support
import Testing

/// Tests files that are read and written in double precision.
struct DoubleFilesTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func read<Element: Scalar>(_ path: String, as scalar: Element.Type) throws -> [Element] {
    let file = try WeightFile(path: path)
    var weights = [Element](repeating: .nan, count: file.count)
    try weights.withUnsafeMutableBufferPointer { try file.read(into: $0) }
    return weights
  }

  /// Finite numbers of every exponent and sign.
  static let numbers: [Double] = {
    var bits: UInt64 = 0x9E37_79B9_7F4A_7C15
    return (0..<20_000).map { _ in
      bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(bitPattern: bits ^ bits >> 29)
    }.filter(\.isFinite) + [0, -0.0, 0x1p-1074, -.greatestFiniteMagnitude]
  }()

  @Test("doubles are written and read without change") func doubleRoundTrip() throws {
    let path = directory.path("w")
    try Self.numbers.withUnsafeBufferPointer {
      try SafetensorsFile.write([("w", [$0.count], $0)], to: path)
    }
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.dtype) == [.float64])
    #expect(
      try file.values("w", as: Double.self).map(\.bitPattern) == Self.numbers.map(\.bitPattern))
    #expect(try read(path, as: Double.self).map(\.bitPattern) == Self.numbers.map(\.bitPattern))
    // Writes the numbers in another order, into the same file's types.
    let changed = Array(Self.numbers.reversed())
    let weights = try WeightFile(path: path)
    try changed.withUnsafeBufferPointer { try weights.write($0, to: directory.path("v")) }
    #expect(
      try read(directory.path("v"), as: Double.self).map(\.bitPattern) == changed.map(\.bitPattern))
    let tensor = changed.withUnsafeBufferPointer {
      TensorContent(name: "t", shape: [$0.count], values: $0)
    }
    #expect(tensor.type == .float64)
  }

  /// Returns the 16-bit number with these bits, computed from the definition of its format.
  private static func value(_ bits: Int, exponentBits: Int) -> Double {
    let fractionBits = 15 - exponentBits
    let exponent = bits >> fractionBits & (1 << exponentBits - 1)
    let fraction = Double(bits & (1 << fractionBits - 1)) / Double(1 << fractionBits)
    let bias = 1 << (exponentBits - 1) - 1
    return (exponent == 0 ? fraction : 1 + fraction) * exp2(Double(max(exponent, 1) - bias))
  }

  /// Returns numbers between two neighbours: their mean, which is a tie, and the doubles next to
  /// it.
  private static func between(
    _ low: Double, _ high: Double, even: Double
  ) -> [(number: Double, nearest: Double)] {
    let middle = low / 2 + high / 2
    return [
      (middle, even), (middle.nextUp, high), (middle.nextDown, low), (low.nextUp, low),
      (high.nextDown, high), (low, low), (-middle, -even), (-middle.nextUp, -high),
    ]
  }

  @Test(
    "doubles are rounded once to 16 bits", arguments: [(TensorType.float16, 5), (.bfloat16, 8)])
  func roundedTo16Bits(_ type: TensorType, _ exponentBits: Int) throws {
    let largest = (1 << exponentBits - 1) << (15 - exponentBits)
    let cases = stride(from: 0, to: largest - 1, by: 7).flatMap { bits in
      let (low, high) = (
        Self.value(bits, exponentBits: exponentBits),
        Self.value(bits + 1, exponentBits: exponentBits)
      )
      return Self.between(low, high, even: bits % 2 == 0 ? low : high)
    }
    // Rounding to single precision first gives another answer for some.
    let twice = cases.filter { Double(Float($0.number)) != $0.number }
    #expect(twice.count > 1000)

    let empty = [UInt8](repeating: 0, count: 2 * cases.count)
    let file = try WeightFile(path: directory.write([("x", type, [cases.count], empty)], to: "w"))
    try cases.map(\.number).withUnsafeBufferPointer {
      try file.write($0, to: directory.path("v"))
    }
    let written = try read(directory.path("v"), as: Double.self)
    let wrong = zip(cases, written).first { $0.nearest != $1 }
    #expect(wrong == nil, "\(wrong!)")
  }

  @Test("doubles are rounded once to 32 bits") func roundedTo32Bits() throws {
    let cases = stride(from: 0 as UInt32, to: 0x7f7f_ffff, by: 1_000_003).flatMap { bits in
      let (low, high) = (Float(bitPattern: bits), Float(bitPattern: bits + 1))
      return Self.between(
        Double(low), Double(high), even: Double(bits % 2 == 0 ? low : high))
    }
    let empty = [UInt8](repeating: 0, count: 4 * cases.count)
    let file = try WeightFile(
      path: directory.write([("x", .float32, [cases.count], empty)], to: "w"))
    try cases.map(\.number).withUnsafeBufferPointer { try file.write($0, to: directory.path("v")) }
    let written = try read(directory.path("v"), as: Float.self)
    let wrong = zip(cases, written).first { $0.nearest != Double($1) }
    #expect(wrong == nil, "\(wrong!)")
    // Doubles that are read as single precision are rounded as usual.
    try cases.map(\.number).withUnsafeBufferPointer {
      try SafetensorsFile.write([("x", [$0.count], $0)], to: directory.path("d"))
    }
    #expect(try read(directory.path("d"), as: Float.self) == written)
  }

  /// Unchanged numbers keep their bits in each type, even if single precision does not hold them.
  @Test("unchanged weights keep their bits") func unchangedBits() throws {
    let path = try directory.write(WeightFileTests.tensors, metadata: ["format": "pt"], to: "w")
    let file = try WeightFile(path: path)
    var weights = try read(path, as: Double.self)
    #expect(weights[..<2] == [0.1, 1e-300])
    try weights.withUnsafeBufferPointer { try file.write($0, to: directory.path("same")) }
    #expect(try contents(of: directory.path("same")) == contents(of: path))
    weights[4] = 65520
    #expect(
      DatasetsTests.refusal {
        try weights.withUnsafeBufferPointer { try file.write($0, to: directory.path("out")) }
      } == "\(directory.path("out")): tensor 'half' cannot hold a weight as F16: "
        + "got 65520.0 at element 0")
    weights[4] = 65519.999999
    try weights.withUnsafeBufferPointer { try file.write($0, to: directory.path("out")) }
    #expect(try read(directory.path("out"), as: Double.self)[4] == 65504)
  }

  @Test("messages about double-precision files say so") func doubleRefusals() throws {
    func file(_ numbers: [Double]) throws -> String {
      try directory.write([("x", .float64, [numbers.count], NPYTests.data(numbers))], to: "w")
    }
    #expect(try read(file([1e39, -1e300]), as: Double.self) == [1e39, -1e300])
    let path = try file([1, -.infinity])
    #expect(
      refusal { _ = try read(path, as: Double.self) }
        == "\(path): tensor 'x' is not finite in double precision: got -inf at element 1")
    let gradients = try directory.write(
      [("x", .float64, [2, 2], NPYTests.data([1, 2, .nan, 1e39] as [Double]))], to: "g")
    let rows = try GradientFile(path: gradients, of: WeightFile(path: file([1, 2])))
    try rows.forEachRow(of: 0..<2, rows: 0..<1, as: Double.self) { _, row in
      #expect(Array(row) == [1, 2])
    }
    #expect(
      refusal { try rows.forEachRow(of: 0..<2, rows: 1..<2, as: Double.self) { _, _ in } }
        == "\(gradients): tensor 'x', row 1: a gradient is not finite in double precision: "
        + "got nan at element 0")
    try rows.forEachRow(of: 1..<2, rows: 1..<2, as: Double.self) { _, row in
      #expect(Array(row) == [1e39])
    }
  }

  @Test("arrays of either precision are written") func writtenArrays() throws {
    let path = directory.path("x.npy")
    try NPYFile.write([0.1, -2, 0x1p-140] as [Float], shape: [3], to: path)
    let expected = NPYTests.data([0.1, -2, 0x1p-140] as [Float])
    #expect(try contents(of: path).suffix(12).elementsEqual(expected))
    let single = try NPYFile(path: path)
    #expect(single.type == .float32)
    #expect(try single.values() == [Double(0.1 as Float), -2, Double(0x1p-140 as Float)])

    let numbers = [0.1, 1e300, -0x1p-1074]
    try NPYFile.write(numbers, shape: [3], to: path)
    #expect(try NPYFile(path: path).values() == numbers)
    #expect(
      refusal { _ = try NPYFile(path: path).values() as [Float] }
        == "\(path): element [1] is not finite in single precision: got inf")
    try NPYFile.write([1, .nan], shape: [2], to: path)
    #expect(
      refusal { _ = try NPYFile(path: path).values() as [Double] }
        == "\(path): element [1] is not finite in double precision: got nan")
  }

  @Test("integers are rounded once") func roundedIntegers() throws {
    // 2⁵³ + 1, and 2⁶² + 2³⁸ + 1: a tie in single precision but for the last digit, which double
    // precision does not hold.
    let integers: [Int64] = [9_007_199_254_740_993, 1 << 62 + 1 << 38 + 1, -3]
    let path = directory.path("n.npy")
    try Data(NPYTests.npy("<i8", [3], NPYTests.data(integers))).write(
      to: URL(fileURLWithPath: path))
    #expect(try NPYFile(path: path).values() == [0x1p53, 0x1p62 + 0x1p38, -3] as [Double])
    #expect(try NPYFile(path: path).values() == [0x1p53, 0x1p62 + 0x1p39, -3] as [Float])
  }
}
