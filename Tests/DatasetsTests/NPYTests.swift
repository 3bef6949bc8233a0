import Datasets
import Support
import Testing

struct NPYTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Returns a file as NumPy writes it.
  static func npy(
    _ type: String, _ shape: [Int], _ data: [UInt8], fortran: Bool = false,
    version: (UInt8, UInt8) = (1, 0)
  ) -> [UInt8] {
    let sizes = shape.map { "\($0)," }.joined(separator: " ")
    let text =
      "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), "
      + "'shape': (\(sizes)), }"
    return npy(header: text, data, version: version)
  }

  static func npy(
    header: String, _ data: [UInt8], version: (UInt8, UInt8) = (1, 0)
  ) -> [UInt8] {
    let start = version.0 == 1 ? 10 : 12
    let padding = (64 - (start + header.utf8.count + 1) % 64) % 64
    let text = Array((header + String(repeating: " ", count: padding) + "\n").utf8)
    let size =
      version.0 == 1 ? littleEndian(UInt16(text.count)) : littleEndian(UInt32(text.count))
    return [0x93] + Array("NUMPY".utf8) + [version.0, version.1] + size + text + data
  }

  static func data(_ numbers: [some FixedWidthInteger]) -> [UInt8] {
    numbers.flatMap { littleEndian($0) }
  }
  static func data(_ numbers: [Float]) -> [UInt8] { data(numbers.map(\.bitPattern)) }
  static func data(_ numbers: [Double]) -> [UInt8] { data(numbers.map(\.bitPattern)) }

  /// Loads a data set with a training part of three examples and a test part of two.
  func load(
    _ inputs: [UInt8], _ targets: [UInt8], _ testInputs: [UInt8], _ testTargets: [UInt8]
  ) throws -> Dataset {
    let files = try [inputs, targets, testInputs, testTargets].enumerated().map {
      try directory.write($0.element, to: "\($0.offset).npy")
    }
    return try DatasetSource("npy:\(files.joined(separator: ","))").load()
  }

  static let numbers = [0, 1, 2, 100, 5, 127]
  static let types: [(type: String, data: [UInt8], expected: [Float])] = [
    ("|u1", data([0, 1, 2, 200, 5, 255] as [UInt8]), [0, 1, 2, 200, 5, 255]),
    ("|i1", data([0, 1, 2, -128, 5, 127] as [Int8]), [0, 1, 2, -128, 5, 127]),
    ("<u2", data([0, 1, 2, 65535, 5, 6] as [UInt16]), [0, 1, 2, 65535, 5, 6]),
    ("<i2", data([0, 1, 2, -32768, 5, 6] as [Int16]), [0, 1, 2, -32768, 5, 6]),
    ("<u4", data([0, 1, 2, .max, 5, 6] as [UInt32]), [0, 1, 2, 4_294_967_296, 5, 6]),
    ("<i4", data([0, 1, 2, -7, 5, 6] as [Int32]), [0, 1, 2, -7, 5, 6]),
    ("<u8", data([0, 1, 2, .max, 5, 6] as [UInt64]), [0, 1, 2, 0x1p64, 5, 6]),
    ("<i8", data([0, 1, 2, .min, 5, 6] as [Int64]), [0, 1, 2, -0x1p63, 5, 6]),
    ("<f2", bytes([0, 1, 2, -1.5, 5, 0x1p-24]), [0, 1, 2, -1.5, 5, 0x1p-24]),
    ("<f4", data([0, 1, 2, -1.5, 5, 0x1p-149] as [Float]), [0, 1, 2, -1.5, 5, 0x1p-149]),
    ("<f8", data([0, 1, 2, 0.1, 5, 1e38] as [Double]), [0, 1, 2, 0.1, 5, 1e38]),
  ]

  @Test(
    "inputs of all types are read",
    arguments: types.indices, [(1, 0), (2, 0), (3, 0)] as [(UInt8, UInt8)])
  func inputTypes(index: Int, version: (UInt8, UInt8)) throws {
    let (type, data, expected) = Self.types[index]
    let inputs = Self.npy(type, [3, 2, 1], data, version: version)
    let dataset = try load(
      inputs, Self.npy("|u1", [3], [0, 1, 2]), inputs, Self.npy("|u1", [3], [2, 1, 0]))
    #expect(dataset.inputShape == [2, 1])
    #expect(dataset.training.inputs([0, 1, 2], epoch: 1) == expected)
    #expect(
      dataset.test.inputs([2, 0]) == Array(expected[4..<6]) + Array(expected[0..<2]))
    #expect(dataset.test.classes([1, 0]) == [1, 2])
    #expect(
      dataset.description.hasSuffix(": 3 training and 3 test examples of shape 2×1, 3 classes"))
    // Bytes are stored as bytes.
    #expect(dataset.training.byteCount == 3 * ((type == "|u1" ? 2 : 8) + 4 + 8))
  }

  @Test("integers of all types are classes", arguments: types.prefix(8).indices)
  func integerClasses(index: Int) throws {
    let type = Self.types[index].type
    let size = Self.types[index].data.count / 6
    let labels = [3, 0, 1].flatMap { littleEndian($0).prefix(size) }
    let inputs = Self.npy("<f4", [3], Self.data([1, 2, 3] as [Float]))
    let targets = Self.npy(type, index % 2 == 0 ? [3] : [3, 1], labels)
    let dataset = try load(inputs, targets, inputs, targets)
    #expect(dataset.inputShape == [1])
    #expect(dataset.targets == .classes(count: 4, positions: 1))
    #expect(dataset.training.classes([0, 1, 2]) == [3, 0, 1])
  }

  @Test("floating-point targets are values") func floatValues() throws {
    let inputs = Self.npy("|u1", [2, 1], [1, 2])
    for (shape, count) in [([2, 3], 3), ([2, 1], 1), ([2], 1)] {
      let numbers = (0..<2 * count).map { Float($0) / 3 }
      for targets in [
        Self.npy("<f4", shape, Self.data(numbers)),
        Self.npy("<f8", shape, Self.data(numbers.map(Double.init))),
      ] {
        let dataset = try load(inputs, targets, inputs, targets)
        #expect(dataset.targets == .values(count: count))
        #expect(dataset.training.values([1]) == Array(numbers[count...]))
        #expect(dataset.test.values([0, 1]) == numbers)
        #expect(dataset.targetStd == 1)
      }
    }
  }

  @Test("sequences have a class at each position") func sequenceClasses() throws {
    let inputs = Self.npy("<u2", [2, 3], Self.data([1, 2, 3, 400, 5, 6] as [UInt16]))
    let targets = Self.npy("<u2", [2, 3], Self.data([2, 3, 4, 5, 6, 400] as [UInt16]))
    let dataset = try load(inputs, targets, inputs, targets)
    #expect(dataset.targets == .classes(count: 401, positions: 3))
    #expect(dataset.test.classes([1, 0]) == [5, 6, 400, 2, 3, 4])
    #expect(dataset.description.hasSuffix("of shape 3, 401 classes at 3 positions"))
  }

  @Test("two files are split into training and test part") func splitFiles() throws {
    let inputs = try directory.write(
      Self.npy("<i4", [20, 2], Self.data((0..<40).map { Int32($0) })), to: "x.npy")
    let targets = try directory.write(
      Self.npy("<i8", [20], Self.data((0..<20).map { Int64($0) })), to: "y.npy")
    var options = DatasetOptions()
    options.split = Split(testFraction: 0.3, seed: 4)
    let dataset = try DatasetSource("npy:\(inputs),\(targets)").load(options)
    #expect(dataset.training.count == 14 && dataset.test.count == 6)
    // The highest class counts in whichever part it is drawn.
    #expect(dataset.targets == .classes(count: 20, positions: 1))
    var seen: [Int32] = []
    for part in [dataset.training, dataset.test] {
      let classes = part.classes(part.allIndices)
      #expect(
        part.inputs(part.allIndices) == classes.flatMap { [Float(2 * $0), Float(2 * $0 + 1)] })
      #expect(classes == classes.sorted())
      seen += classes
    }
    #expect(seen.sorted() == Array(0..<20))
    options.split.seed = 5
    let other = try DatasetSource("npy:\(inputs),\(targets)").load(options)
    #expect(other.test.bytes != dataset.test.bytes)
  }

  static let types3 = "|u1, |i1, <u2, <i2, <u4, <i4, <u8, <i8, <f2, <f4, <f8"

  @Test(
    "bad inputs are refused with the reason",
    arguments: [
      ([], "F: too short for an NPY file: expected at least 10 bytes, got 0"),
      (
        [0x89] + Array("HDF\r\n\u{1A}\nxxxx".utf8),
        "F: is an HDF5 file: expected a NumPy array, as numpy.save writes it"
      ),
      (
        Array("a note of 12".utf8),
        "F: not an NPY file: expected first bytes 93 4e 55 4d 50 59, got 61 20 6e 6f 74 65"
      ),
      (
        npy("|u1", [1], [0], version: (4, 0)),
        "F: unknown version of the NPY format: expected 1.0, 2.0 or 3.0, got 4.0"
      ),
      (
        Array(npy("|u1", [1], [0]).prefix(40)),
        "F: the header ends beyond the file: expected at least 128 bytes, got 40"
      ),
      (
        [0x93] + Array("NUMPY".utf8) + [2, 0] + littleEndian(100_000_001 as UInt32) + [123],
        "F: its header is too long: expected at most 100000000 bytes, got 100000001"
      ),
      (
        [0x93] + Array("NUMPY".utf8) + [1, 0, 7, 0] + [123, 39, 115, 0xff, 39, 58, 125],
        "F: byte 13: a string in the NPY header is not plain ASCII"
      ),
      (
        [0x93] + Array("NUMPY".utf8) + [1, 0, 3, 0] + [123, 0xff, 125],
        "F: byte 11: expected a string in the NPY header"
      ),
      (
        npy(header: "{'shape': (1,), 'shape': (1,)}", [0]),
        "F: byte 26: the key 'shape' is unknown or occurs twice"
      ),
      (
        npy("|u1", [2, 2], [0], fortran: true),
        "F: is stored in Fortran order: expected C order: numpy.ascontiguousarray(array)"
      ),
      (npy(">f4", [2], [0]), "F: unsupported element type: expected \(types3), got '>f4'"),
      (npy(">f2", [2], [0]), "F: unsupported element type: expected \(types3), got '>f2'"),
      (npy("|O", [2], [0]), "F: unsupported element type: expected \(types3), got '|O'"),
      (
        npy(header: "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", [0]),
        "F: holds records of several fields: expected an array of numbers"
      ),
      (
        npy("<f8", [], data([1.0])),
        "F: holds a single number: expected an array whose first dimension is the examples"
      ),
      (
        npy("<f4", [2, 3], Array(repeating: 0, count: 23)),
        "F: too short: expected 24 bytes after its header (<f4, shape [2, 3]), got 23"
      ),
      (
        npy("<f4", [2, 3], Array(repeating: 0, count: 25)),
        "F: too long: expected 24 bytes after its header (<f4, shape [2, 3]), got 25"
      ),
      (
        npy("<f8", [1 << 31, 1 << 31], []),
        "F: its shape [2147483648, 2147483648] overflows a 64-bit size"
      ),
      (npy("<f4", [0, 3], []), "F: holds nothing: its shape is [0, 3]"),
      (npy("<f4", [3, 0], []), "F: holds nothing: its shape is [3, 0]"),
      (
        npy("<f4", [3, 2], data([1, 2, 3, .nan, 5, 6] as [Float])),
        "F: element [1, 1] is not finite in single precision: got nan"
      ),
      (
        npy("<f8", [3, 1, 2], data([1, 2, 3, 4, 1e39, 6])),
        "F: element [2, 0, 0] is not finite in single precision: got inf"
      ),
      (npy("<f4", [2], data([1, 2] as [Float])), "F: holds 2 examples, Y holds 3"),
      (
        npy(header: "{'descr': '|u1', 'shape': (1,)}", [0]),
        "F: the NPY header has no 'fortran_order'"
      ),
      (
        npy(header: "{'descr': '|u1', 'descr': '|u1'}", [0]),
        "F: byte 27: the key 'descr' is unknown or occurs twice"
      ),
      (npy(header: "{'shape': (1", [0]), "F: byte 64: the NPY header ends early"),
      (npy(header: "['shape']", [0]), "F: byte 10: expected '{' in the NPY header"),
      (npy(header: "{'shape': (-1,)}", [0]), "F: byte 21: expected a size in the NPY header"),
      (
        npy(header: "{'shape': (9223372036854775808,)}", [0]),
        "F: byte 21: expected a size in the NPY header"
      ),
      (
        npy(header: "{'fortran_order': 0}", [0]),
        "F: byte 28: expected True or False in the NPY header"
      ),
      (npy(header: "{descr: 1}", [0]), "F: byte 11: expected a string in the NPY header"),
      (npy(header: "{'descr", [0]), "F: byte 11: a string in the NPY header has no end"),
      (
        npy(header: "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x", [0]),
        "F: byte 66: text after the NPY header's dictionary"
      ),
    ] as [([UInt8], String)])
  func badInputs(bytes: [UInt8], message: String) throws {
    let inputs = try directory.write(bytes, to: "F")
    let targets = try directory.write(Self.npy("|u1", [3], [0, 1, 2]), to: "Y")
    let expected = message.replacing("F:", with: "\(inputs):").replacing(
      " Y ", with: " \(targets) ")
    #expect(refusal { _ = try DatasetSource("npy:\(inputs),\(targets)").load() } == expected)
  }

  @Test("headers of other writers are read") func otherWriters() throws {
    // Python 2's long integers, double quotes, any order, no trailing comma.
    let header = "{\"shape\":(3L,2L),\"fortran_order\":False,\"descr\":\"|u1\"}"
    let inputs = Self.npy(header: header, [1, 2, 3, 4, 5, 6])
    let targets = Self.npy("|u1", [3], [0, 1, 2])
    #expect(try load(inputs, targets, inputs, targets).training.inputs([1]) == [3, 4])
  }

  @Test("bad targets are refused with their place") func badTargets() throws {
    let inputs = Self.npy("|u1", [3, 1], [1, 2, 3])
    let classes = Self.npy("<i8", [3], Self.data([0, 1, 2] as [Int64]))
    let values = Self.npy("<f4", [3], Self.data([0, 1, 2] as [Float]))
    let cases: [(training: [UInt8], test: [UInt8], file: Int, message: String)] = [
      (
        Self.npy("<i8", [3], Self.data([0, -1, 2] as [Int64])), classes, 1,
        "element [1] is not a class: expected 0 to 16777215, got -1"
      ),
      (
        Self.npy("<u8", [3], Self.data([0, 1, .max] as [UInt64])), classes, 1,
        "element [2] is not a class: expected 0 to 16777215, got 18446744073709551615"
      ),
      (
        classes, Self.npy("<i8", [3], Self.data([0, 3, 2] as [Int64])), 3,
        "element [1] is not a class: expected 0 to 2, got 3"
      ),
      (
        Self.npy("|u1", [3], [0, 0, 0]), classes, 1,
        "every class is 0: at least 2 classes are needed"
      ),
      (
        classes, values, 3,
        "the kind of its targets differs from \(directory.root)/1.npy: "
          + "expected integers of shape [] each, got floats of shape [] each"
      ),
      (
        Self.npy("<f4", [3, 1, 1], Self.data([0, 1, 2] as [Float])), values, 1,
        "targets have too many dimensions: "
          + "expected [examples] or [examples, count], got shape [3, 1, 1]"
      ),
      (
        Self.npy("<f4", [3], Self.data([0, 1, -.infinity] as [Float])), values, 1,
        "element [2] is not finite in single precision: got -inf"
      ),
    ]
    for (training, test, file, message) in cases {
      #expect(
        refusal { _ = try load(inputs, training, inputs, test) }
          == "\(directory.root)/\(file).npy: \(message)")
    }
    let wide = Self.npy("|u1", [3, 2], [1, 2, 3, 4, 5, 6])
    #expect(
      refusal { _ = try load(inputs, classes, wide, classes) }
        == "\(directory.root)/2.npy: the shape of its examples differs from "
        + "\(directory.root)/0.npy: expected [1], got [2]")
  }
}
