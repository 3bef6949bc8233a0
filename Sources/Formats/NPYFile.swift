import LinearAlgebra

/// Reads an array in a file of NumPy's NPY format.
///
/// Opening a file reads the header and checks it against the file's size. Elements are read on
/// demand. Memory is bounded by the file's real size. Format: NumPy's documentation,
/// numpy.lib.format.
public struct NPYFile {
  package let path: String
  /// Shape of at least one dimension; the first one counts examples.
  package let shape: [Int]
  package let type: NPYType
  let input: InputFile
  /// Byte offset of the elements in the file.
  package let dataOffset: Int

  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
  /// Shape of one example.
  package var exampleShape: [Int] { Array(shape.dropFirst()) }

  /// Opens a file and reads its header.
  ///
  /// - Throws: `InputError` naming the file, what was expected and what was found.
  package init(path: String) throws(InputError) {
    input = try InputFile(path)
    self.path = path
    guard input.count >= 10 else {
      throw InputError(
        path, "too short for an NPY file", expected: "at least 10 bytes", got: "\(input.count)")
    }
    let start: [UInt8] = try input.read(0..<10)
    guard start.starts(with: NPYHeader.magic) else {
      try FileFormat.refuse(
        try input.start(), size: input.count, of: path, for: .numbers,
        expected: "a NumPy array, as numpy.save writes it")
      throw InputError(
        path, "not an NPY file", expected: "first bytes \(hex(NPYHeader.magic))",
        got: "\(hex(start[..<6]))")
    }
    // The header's length has two bytes in version 1.0, four in 2.0 and 3.0.
    let (major, minor) = (start[6], start[7])
    guard (1...3).contains(major), minor == 0 else {
      throw InputError(
        path, "unknown version of the NPY format", expected: "1.0, 2.0 or 3.0",
        got: "\(major).\(minor)")
    }
    let headerOffset = major == 1 ? 10 : 12
    guard input.count >= headerOffset else {
      throw InputError(
        path, "too short for an NPY file", expected: "at least \(headerOffset) bytes",
        got: "\(input.count)")
    }
    let size =
      major == 1
      ? Int(try input.read(8..<10, as: UInt16.self)[0])
      : Int(try input.read(8..<12, as: UInt32.self)[0])
    guard size <= NPYHeader.largestSize else {
      throw InputError(
        path, "its header is too long", expected: "at most \(NPYHeader.largestSize) bytes",
        got: "\(size)")
    }
    dataOffset = headerOffset + size
    guard dataOffset <= input.count else {
      throw InputError(
        path, "the header ends beyond the file", expected: "at least \(dataOffset) bytes",
        got: "\(input.count)")
    }
    let header = try NPYHeader(
      try input.read(headerOffset..<dataOffset), file: path, origin: headerOffset)
    type = header.type
    shape = header.shape
    guard !shape.isEmpty else {
      throw InputError(
        path, "holds a single number", expected: "an array whose first dimension is the examples")
    }
    let (expected, got) = (count * type.byteCount, input.count - dataOffset)
    guard got == expected else {
      throw InputError(
        path, got < expected ? "too short" : "too long",
        expected: "\(expected) bytes after its header (\(type.rawValue), shape \(shape))",
        got: "\(got)")
    }
  }

  /// Returns the elements as bytes; `type` must be `uint8`.
  package func bytes() throws(InputError) -> [UInt8] {
    precondition(type == .uint8, "elements of type \(type.rawValue) are no bytes")
    return try input.read(dataOffset..<input.count)
  }

  /// Returns the elements as a scalar, rounded if they have more digits.
  ///
  /// - Throws: `InputError` naming the first element that is not finite in the scalar's precision.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  package func values<Element: Scalar>() throws(InputError) -> [Element] {
    switch type {
    case .uint8: try map { (word: UInt8) in Element(word) }
    case .int8: try map { (word: Int8) in Element(word) }
    case .uint16: try map { (word: UInt16) in Element(word) }
    case .int16: try map { (word: Int16) in Element(word) }
    case .uint32: try map { (word: UInt32) in Element(word) }
    case .int32: try map { (word: Int32) in Element(word) }
    case .uint64: try map { (word: UInt64) in Element(word) }
    case .int64: try map { (word: Int64) in Element(word) }
    case .float16: try finite(.float16)
    case .float32: try finite(.float32)
    case .float64: try finite(.float64)
    }
  }

  /// Returns the elements as classes; `type` must be an integer type.
  ///
  /// - Throws: `InputError` naming the first element that is negative or not below `limit`.
  package func classes(below limit: Int) throws(InputError) -> [Int32] {
    switch type {
    case .uint8: try classes(of: UInt8.self, below: limit)
    case .int8: try classes(of: Int8.self, below: limit)
    case .uint16: try classes(of: UInt16.self, below: limit)
    case .int16: try classes(of: Int16.self, below: limit)
    case .uint32: try classes(of: UInt32.self, below: limit)
    case .int32: try classes(of: Int32.self, below: limit)
    case .uint64: try classes(of: UInt64.self, below: limit)
    case .int64: try classes(of: Int64.self, below: limit)
    case .float16, .float32, .float64:
      preconditionFailure("\(type.rawValue) is no type of classes")
    }
  }

  /// Returns the indices of an element in NumPy's notation: [3, 0].
  func place(of element: Int) -> String {
    var rest = element
    let indices = shape.reversed().map { size in
      defer { rest /= size }
      return rest % size
    }
    return "[\(indices.reversed().map(String.init).joined(separator: ", "))]"
  }

  private func finite<Element: Scalar>(_ type: TensorType) throws(InputError) -> [Element] {
    var values = [Element](repeating: 0, count: count)
    try values.withUnsafeMutableBufferPointer { values throws(InputError) in
      try input.read(at: dataOffset, type: type, into: values)
      if let element = UnsafeBufferPointer(values).firstNonFinite {
        throw InputError(
          path, "element \(place(of: element)) is not finite in \(Element.precision) precision",
          got: "\(values[element])")
      }
    }
    return values
  }

  private func classes<Word: FixedWidthInteger>(
    of word: Word.Type, below limit: Int
  ) throws(InputError) -> [Int32] {
    // −1 marks an element that is not a class.
    let classes = try map { (word: Word) in
      Int(exactly: word).map { $0 >= 0 && $0 < limit ? Int32($0) : -1 } ?? -1
    }
    if let element = classes.firstIndex(of: -1) {
      let start = dataOffset + element * type.byteCount
      let word = try input.read(start..<start + type.byteCount, as: Word.self)[0]
      throw InputError(
        path, "element \(place(of: element)) is not a class", expected: "0 to \(limit - 1)",
        got: "\(word)")
    }
    return classes
  }

  /// Transforms all elements piece by piece, without a second copy of them.
  private func map<Word: FixedWidthInteger, Result>(
    _ transform: (Word) -> Result
  ) throws(InputError) -> [Result] {
    let piece = 1 << 20
    var results: [Result] = []
    results.reserveCapacity(count)
    var offset = dataOffset
    while offset < input.count {
      let end = min(offset + piece, input.count)
      for word in try input.read(offset..<end, as: Word.self) { results.append(transform(word)) }
      offset = end
    }
    return results
  }
}
