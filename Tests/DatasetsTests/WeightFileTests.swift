import Formats
import Foundation
import Support
import Testing

/// A tensor of a test's file, with its bytes.
typealias TestTensor = (name: String, type: TensorType, shape: [Int], bytes: [UInt8])

extension TemporaryDirectory {
  /// Writes a safetensors file of tensors of any type.
  func write(
    _ tensors: [TestTensor], metadata: [String: String] = [:], to name: String
  ) throws -> String {
    let path = self.path(name)
    try AtomicFile.write(to: path) { file throws(InputError) in
      try SafetensorsFile.write(
        tensors.map { ($0.name, $0.type, $0.shape) }, metadata: metadata, to: file
      ) { tensors[$0].bytes.withUnsafeBytes($1.copyMemory) }
    }
    return path
  }
}

func bytes(_ halves: [Float16]) -> [UInt8] { halves.flatMap { littleEndian($0.bitPattern) } }

/// Returns the upper halves of numbers whose lower halves are zero.
func brainBytes(_ numbers: [Float]) -> [UInt8] {
  numbers.flatMap { littleEndian(UInt16($0.bitPattern >> 16)) }
}

struct WeightFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Tensors like those of a model in mixed precision, with a batch counter.
  static let tensors: [TestTensor] = [
    ("counter", .int64, [], littleEndian(7 as Int64)),
    ("double", .float64, [2], NPYTests.data([0.1, 1e-300])),
    ("single", .float32, [2, 1], NPYTests.data([0.1, -0.0] as [Float])),
    ("half", .float16, [3], bytes([65504, 6e-8, -0.0])),
    ("brain", .bfloat16, [1, 2], brainBytes([-1.5, 0x1p100])),
    ("bytes", .uint8, [3], [1, 2, 3]), ("empty", .float32, [0, 4], []),
  ]

  func read(_ file: WeightFile) throws -> [Float] {
    var weights = [Float](repeating: .nan, count: file.count)
    try weights.withUnsafeMutableBufferPointer { try file.read(into: $0) }
    return weights
  }

  func write(_ weights: [Float], of file: WeightFile, to name: String) throws -> String {
    let path = "\(directory.root)/\(name)"
    try weights.withUnsafeBufferPointer { try file.write($0, to: path) }
    return path
  }

  @Test("weights are one vector in the order of the data") func weightVector() throws {
    let path = try directory.write(Self.tensors, to: "w")
    let file = try WeightFile(path: path) { $0.name != "single" }
    #expect(file.tensors.map(\.name) == ["double", "half", "brain", "empty"])
    #expect(file.tensors.map(\.range) == [0..<2, 2..<5, 5..<7, 7..<7])
    #expect(file.tensors.map(\.shape) == [[2], [3], [1, 2], [0, 4]])
    #expect(file.tensors.map(\.type) == [.float64, .float16, .bfloat16, .float32])
    #expect(file.count == 7)
    #expect(try read(file) == [0.1, 0, 65504, 0x1p-24, -0.0, -1.5, 0x1p100])
    #expect(try WeightFile(path: path).count == 9)
  }

  @Test("every 16-bit weight is read") func halfWeights() throws {
    let every = (0...65535 as ClosedRange<UInt16>).filter {
      Float16(bitPattern: $0).isFinite
    }
    let path = try directory.write(
      [
        ("b", .bfloat16, [every.count], every.map { $0 & 0x7bff }.flatMap(littleEndian)),
        ("h", .float16, [every.count], every.flatMap(littleEndian)),
      ], to: "w")
    let weights = try read(WeightFile(path: path)).map(\.bitPattern)
    #expect(weights.prefix(every.count).elementsEqual(every.map { UInt32($0 & 0x7bff) << 16 }))
    #expect(
      weights.suffix(every.count).elementsEqual(
        every.map { Float(Float16(bitPattern: $0)).bitPattern }))
  }

  @Test("unchanged weights are written bit for bit") func unchangedWeights() throws {
    let path = try directory.write(Self.tensors, metadata: ["format": "pt"], to: "w")
    let file = try WeightFile(path: path)
    let same = try write(read(file), of: file, to: "same")
    var unchanged = Self.tensors
    // 1e-300 was read as 0, like a pruned weight.
    unchanged[1].bytes = NPYTests.data([0.1, 0.0])
    let copy = try directory.write(unchanged, metadata: ["format": "pt"], to: "copy")
    #expect(try contents(of: same) == contents(of: copy))

    var weights = try read(file)
    // Double 1, single 0 and half 1 are pruned; half 2 becomes a number between two halves.
    for index in [1, 2, 5] { weights[index] = 0 }
    weights[6] = 1 + 3 * 0x1p-11
    weights[8] = 1 + 0x1p-8
    let changed = try WeightFile(path: write(weights, of: file, to: "changed"))
    #expect(changed.entries == file.entries)
    let data = try contents(of: changed.path).suffix(contents(of: path).count - dataStart(path))
    var expected = Self.tensors
    expected[1].bytes = NPYTests.data([0.1, 0.0])
    expected[2].bytes = NPYTests.data([0, -0.0] as [Float])
    // Ties go to even: 1 + 4·2⁻¹¹, and 1.
    expected[3].bytes = bytes([65504, 0, 1 + 4 * 0x1p-11])
    expected[4].bytes = brainBytes([-1.5, 1])
    #expect(Array(data) == expected.flatMap(\.bytes))
    #expect(try SafetensorsFile(path: changed.path).metadata == ["format": "pt"])
  }

  private func dataStart(_ path: String) throws -> Int {
    try 8 + contents(of: path).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The output may replace its input, which is read to the end first.
  @Test("a file may be written over its input") func overwrittenInput() throws {
    let path = try directory.write(Self.tensors, to: "w")
    let file = try WeightFile(path: path)
    var weights = try read(file)
    weights[2] = 0
    _ = try write(weights, of: file, to: "w")
    #expect(try read(WeightFile(path: path)) == weights)
  }

  @Test("rounding to bfloat16 is to the nearest") func bfloat16Rounding() throws {
    let numbers: [Float] = [1 + 0x1p-7 + 0x1p-8, 1 + 0x1p-8 + 0x1p-20, -3.1415927, 0x1p-140]
    let path = try directory.write(
      [("b", .bfloat16, [4], brainBytes([0, 0, 0, 0]))], to: "w")
    let file = try WeightFile(path: path)
    let written = try read(WeightFile(path: write(numbers, of: file, to: "v")))
    // These are the nearest numbers of 8 digits; double rounding would give others.
    #expect(written == [1.015625, 1.0078125, -3.140625, 0])
  }

  @Test("bad weights are refused") func refusedWeights() throws {
    func refusal(_ tensors: [TestTensor], isIncluded: Bool = true) throws -> String? {
      let path = try directory.write(tensors, to: "w")
      return DatasetsTests.refusal {
        _ = try read(WeightFile(path: path) { _ in isIncluded })
      }?.replacingOccurrences(of: path, with: "W")
    }
    #expect(
      try refusal([("n", .int64, [1], littleEndian(1 as Int64)), ("f", .float8E4M3, [1], [1])])
        == "W: holds no weights of type F16, BF16, F32 or F64 that are asked for: "
        + "got n (I64), f (F8_E4M3)")
    #expect(
      try refusal(Self.tensors, isIncluded: false)
        == "W: holds no weights of type F16, BF16, F32 or F64 that are asked for: "
        + "got counter (I64), double (F64), single (F32), half (F16), brain (BF16), "
        + "bytes (U8), … (7 in all)")
    for (type, data, number) in [
      (TensorType.float16, bytes([1, .infinity]), "inf"), (.float16, bytes([1, -.nan]), "-nan"),
      (.bfloat16, brainBytes([1, .nan]), "nan"),
      (.float32, NPYTests.data([1, -Float.infinity]), "-inf"),
      (.float64, NPYTests.data([1, 1e39]), "inf"),
    ] {
      #expect(
        try refusal([("a", .uint8, [1], [0]), ("x", type, [2], data)])
          == "W: tensor 'x' is not finite in single precision: got \(number) at element 1")
    }
  }

  @Test("a weight beyond the range of its type is refused") func weightRange() throws {
    let path = try directory.write(Self.tensors, to: "w")
    let file = try WeightFile(path: path)
    var weights = try read(file)
    weights[5] = 65520
    let message = refusal { _ = try write(weights, of: file, to: "out") }
    #expect(
      message == "\(directory.root)/out: tensor 'half' cannot hold a weight as F16: "
        + "got 65520.0 at element 1")
    #expect(try directory.names() == ["w"])
  }
}
