import Formats
import Foundation
import Mutations
import Support
import Testing

struct GradientFileTests {
  let directory: TemporaryDirectory
  let weights: WeightFile

  /// Writes weights with columns 0..<3 in 'a', 3..<10,003 in 'big' and the last one in 'z';
  /// 'excluded' lies between.
  init() throws {
    directory = try TemporaryDirectory()
    let zeros = [UInt8](repeating: 0, count: 4 * 10_000)
    let path = try directory.write(
      [
        ("a", .float32, [3], Array(zeros.prefix(12))),
        ("excluded", .float32, [2], Array(zeros.prefix(8))),
        ("big", .float32, [100, 100], zeros), ("n", .int64, [], Array(zeros.prefix(8))),
        ("z", .float16, [1, 1], [0, 0]),
      ], to: "w")
    weights = try WeightFile(path: path) { $0.name != "excluded" }
  }

  /// Returns the gradient at a row and a column, excluded columns counted; every type holds it
  /// exactly.
  static func value(_ row: Int, _ column: Int) -> Float {
    Float((row * 37 + column) % 251) - 125
  }

  /// Returns `rows` rows of these columns, as bytes of a type.
  static func data(_ type: TensorType, rows: Int, _ columns: Range<Int>) -> [UInt8] {
    (0..<rows).flatMap { row in
      columns.flatMap { column -> [UInt8] in
        let x = value(row, column)
        switch type {
        case .float16: return littleEndian(Float16(x).bitPattern)
        case .bfloat16: return littleEndian(UInt16(x.bitPattern >> 16))
        case .float64: return littleEndian(Double(x).bitPattern)
        default: return littleEndian(x.bitPattern)
        }
      }
    }
  }

  /// Returns gradients by tensor, in another order than the weights.
  func tensors(_ type: TensorType, rows: Int) -> [TestTensor] {
    [
      ("z", type, [rows, 1, 1], Self.data(type, rows: rows, 10_005..<10_006)),
      ("big", type, [rows, 100, 100], Self.data(type, rows: rows, 5..<10_005)),
      ("excluded", type, [rows, 2], Self.data(type, rows: rows, 3..<5)),
      ("a", type, [rows, 3], Self.data(type, rows: rows, 0..<3)),
    ]
  }

  /// Expects every row of any columns to be the written one.
  func check(_ path: String, rows: Int, shift: Int = 2) throws {
    let file = try GradientFile(path: path, of: weights)
    #expect(file.rowCount == rows && file.columnCount == 10_004)
    let cases = [
      0..<10_004, 0..<0, 2..<4, 0..<3, 1..<2, 3..<10_003, 4000..<10_004, 10_003..<10_004,
    ]
    for columns in cases {
      var next = 1
      try file.forEachRow(of: columns, rows: 1..<rows, as: Float.self) { row, slice in
        #expect(row == next)
        next += 1
        let expected = columns.map { Self.value(row, $0 < 3 ? $0 : $0 + shift) }
        #expect(Array(slice) == expected, "row \(row) of columns \(columns)")
      }
      #expect(next == rows)
    }
  }

  @Test(
    "gradients of tensors are read by columns",
    arguments: [TensorType.float16, .bfloat16, .float32, .float64])
  func tensorColumns(_ type: TensorType) throws {
    try check(directory.write(tensors(type, rows: 5), to: "g"), rows: 5)
    try check(directory.write(tensors(type, rows: 2).reversed(), to: "g"), rows: 2)
  }

  @Test(
    "gradients of one array are read by columns",
    arguments: [("<f2", TensorType.float16), ("<f4", .float32), ("<f8", .float64)])
  func arrayColumns(_ descr: String, _ type: TensorType) throws {
    let all = Self.data(type, rows: 9, 0..<10_006)
    try check(
      directory.write(NPYTests.npy(descr, [9, 10_006], all), to: "g.npy"), rows: 9)
    try check(directory.write([("G", type, [9, 10_006], all)], to: "g"), rows: 9)
    let included = Self.data(type, rows: 9, 0..<10_004)
    try check(
      directory.write(NPYTests.npy(descr, [9, 10_004], included), to: "g.npy"), rows: 9, shift: 0)
    try check(directory.write([("G", type, [9, 10_004], included)], to: "g"), rows: 9, shift: 0)
  }

  func refusal(_ path: String) -> String? {
    DatasetsTests.refusal {
      let file = try GradientFile(path: path, of: weights)
      try file.forEachRow(of: 0..<file.columnCount, rows: 0..<file.rowCount, as: Float.self) {
        _, _ in
      }
    }?.replacingOccurrences(of: path, with: "G").replacingOccurrences(of: weights.path, with: "W")
  }

  func refusal(rows: Int = 2, _ change: (inout [TestTensor]) -> Void) throws -> String? {
    var tensors = tensors(.float32, rows: rows)
    change(&tensors)
    return try refusal(directory.write(tensors, to: "g"))
  }

  @Test("gradients that do not match the weights are refused") func mismatchedGradients() throws {
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.remove(at: 2) } == nil)
    #expect(
      try refusal { $0[0].name = "y" }
        == "G: tensor 'y' is not in W: expected a, big, z")
    #expect(
      try refusal { $0.remove(at: 1) }
        == "G: tensor 'big' of W has no gradients (exclude leaves it as it is): "
        + "expected a, big, z, got z, excluded, a"
    )
    #expect(
      try refusal { $0[1].shape = [2, 10_000] }
        == "G: the gradients of tensor 'big' do not fit: expected shape [2, 100, 100], "
        + "got [2, 10000]")
    #expect(
      try refusal {
        $0[3].shape = [3, 3]
        $0[3].bytes += $0[3].bytes.prefix(12)
      }
        == "G: the gradients of tensor 'big' do not fit: expected shape [3, 100, 100], "
        + "got [2, 100, 100]")
    #expect(
      try refusal {
        $0[3].shape = []
        $0[3].bytes = [0, 0, 0, 0]
      }
        == "G: the gradients of tensor 'a' do not fit: expected shape [rows, 3], got []")
    #expect(
      try refusal { $0[3].type = .int32 }
        == "G: the gradients of tensor 'a' are of another type: "
        + "expected F16, BF16, F32 or F64, got I32")
    #expect(try refusal(rows: 0) { _ in } == "G: holds no gradients: it has 0 rows")
  }

  @Test("arrays that do not match the weights are refused") func mismatchedArrays() throws {
    func refusal(_ descr: String, _ shape: [Int]) throws -> String? {
      let size = shape.reduce(Int(descr.suffix(1))!, *)
      return try self.refusal(
        directory.write(
          NPYTests.npy(descr, shape, Array(repeating: 0, count: size)), to: "g.npy"))
    }
    let expected = "expected shape [rows, 10004] for 3 tensors, or [rows, 10006] with all others"
    for shape in [[2, 10_005], [10_004], [10_004, 2], [2, 10_004, 1]] {
      #expect(
        try refusal("<f4", shape) == "G: the array does not fit the weights of W: \(expected), "
          + "got \(shape)")
    }
    #expect(try refusal("<f4", [0, 10_004]) == "G: holds no gradients: it has 0 rows")
    #expect(
      try refusal("<i4", [2, 10_004])
        == "G: holds no floating-point numbers: expected <f2, <f4 or <f8, got <i4")
    #expect(
      try self.refusal(
        directory.write([("G", .float32, [1, 3], NPYTests.data([1, 2, 3] as [Float]))], to: "g"))
        == "G: tensor 'G' does not fit the weights of W: \(expected), got [1, 3]")
    // A tensor with a weight's name holds that weight's gradients.
    #expect(
      try self.refusal(
        directory.write([("a", .float32, [1, 3], NPYTests.data([1, 2, 3] as [Float]))], to: "g"))
        == "G: tensor 'big' of W has no gradients (exclude leaves it as it is): "
        + "expected a, big, z, got a"
    )
  }

  @Test("gradients that are not finite are refused with their place")
  func nonFiniteGradients() throws {
    for (element, number) in [(4321, Float.nan), (0, .infinity), (9999, -.infinity)] {
      let message = try refusal(rows: 5) {
        $0[1].bytes.replaceSubrange(
          4 * (30_000 + element)..<4 * (30_000 + element + 1), with: littleEndian(number.bitPattern)
        )
      }
      #expect(
        message == "G: tensor 'big', row 3: a gradient is not finite in single precision: "
          + "got \(number) at element \(element)")
    }
    // Excluded tensors are not checked.
    #expect(
      try refusal { $0[2].bytes = NPYTests.data([.nan, .nan, .nan, .nan] as [Float]) } == nil)
    var array = Self.data(.float64, rows: 2, 0..<10_004)
    array.replaceSubrange(8 * 20_007..<8 * 20_008, with: littleEndian(1e39.bitPattern))
    #expect(
      try refusal(directory.write(NPYTests.npy("<f8", [2, 10_004], array), to: "g.npy"))
        == "G: tensor 'z', row 1: a gradient is not finite in single precision: "
        + "got inf at element 0")
  }

  @Test("a file that shrinks while it is read is refused") func shrinkingFile() throws {
    let path = try directory.write(tensors(.float32, rows: 3), to: "g")
    let file = try GradientFile(path: path, of: weights)
    let size = try contents(of: path).count
    #expect(truncate(path, size - 4) == 0)
    let message = DatasetsTests.refusal {
      try file.forEachRow(of: 0..<10_004, rows: 0..<3, as: Float.self) { _, _ in }
    }
    #expect(message == "\(path): ends early: expected \(size) bytes, got \(size - 4) bytes")
  }

  @Test("corrupted gradient files are read correctly or refused") func spoiledBytes() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let directory = try TemporaryDirectory()
      let weights = try WeightFile(
        path: directory.write(
          [("a", .float32, [2], NPYTests.data([1, 2] as [Float])), ("b", .float16, [], [0, 0])],
          to: "w"))
      let memory = MemoryFile()
      let original = try contents(
        of: directory.write(
          [
            ("a", .float32, [2, 2], NPYTests.data([1, 2, 3, 4] as [Float])),
            ("b", .bfloat16, [2], brainBytes([1, 2])),
          ], to: "g"))
      let mutator = Mutator(tokens: MutatedSafetensorsTests.tokens + ["2,", "\"F16\""], seed: 12)
      let count = 40_000
      let tally = try Tally(count, refusing: InputError.self) { number in
        memory.hold(mutator.mutant(number, of: original))
        let file = try GradientFile(path: memory.path, of: weights)
        var rows = 0
        try file.forEachRow(of: 1..<3, rows: 0..<file.rowCount, as: Float.self) { _, slice in
          #expect(slice.count == 2 && slice.allSatisfy(\.isFinite))
          rows += 1
        }
        #expect(rows == file.rowCount)
      }
      #expect(tally.accepted > count / 100 && tally.refused > count / 2, "\(tally)")
    }
  }

  /// A file's gradients determine the weights: by tensor names, or by the number of columns.
  @Test("the weights are those with gradients in the file") func selectedWeights() throws {
    let zeros = [UInt8](repeating: 0, count: 80)
    func tensors(_ types: [TensorType]) throws -> String {
      let shapes = [[2, 3], [4], [4], [2], []]
      let names = ["fc.weight", "norm.running_mean", "norm.running_var", "fc.bias", "norm.count"]
      return try directory.write(
        zip(zip(names, types), shapes).map {
          ($0.0, $0.1, $1, Array(zeros.prefix($1.reduce($0.1.byteCount, *))))
        }, to: "model")
    }
    let path = try tensors([.float32, .float32, .float32, .float16, .int64])
    func names(_ gradients: String, requiring required: String? = nil) throws -> [String] {
      try WeightFile(path: path, withGradientsIn: gradients) { $0.name == required }
        .tensors.map(\.name)
    }
    let named = try directory.write(
      [("fc.bias", .float32, [2, 2], Array(zeros.prefix(16)))], to: "g")
    #expect(try names(named) == ["fc.bias"])
    #expect(try names(named, requiring: "fc.weight") == ["fc.weight", "fc.bias"])
    for (columns, expected) in [
      (16, ["fc.weight", "norm.running_mean", "norm.running_var", "fc.bias"]),
      (8, ["fc.weight", "fc.bias"]), (9, ["fc.weight", "fc.bias"]),
    ] {
      let data = Array(zeros.prefix(4 * columns))
      let array = try directory.write(NPYTests.npy("<f4", [1, columns], data), to: "g.npy")
      #expect(try names(array) == expected)
      #expect(
        try names(directory.write([("G", .float32, [1, columns], data)], to: "G")) == expected)
      #expect(
        DatasetsTests.refusal {
          let weights = try WeightFile(path: path, withGradientsIn: array) { _ in false }
          _ = try GradientFile(path: array, of: weights)
        }?.contains("shape [rows, 8] for 2 tensors, or [rows, 16] with all others, got [1, 9]")
          == (columns == 9 ? true : nil))
    }
    let eight = try tensors([.float8E4M3, .float32, .float32, .float16, .int64])
    #expect(
      DatasetsTests.refusal {
        _ = try WeightFile(path: eight, withGradientsIn: named) { $0.shape.count > 1 }
      }
        == "\(eight): the weights 'fc.weight' are of another type "
        + "(exclude leaves them as they are): "
        + "expected F16, BF16, F32 or F64, got F8_E4M3")
  }
}
