import LinearAlgebra

/// Reads gradients of a model from any framework: rows G [m, d], with the weights of a `WeightFile`
/// as columns.
///
/// A safetensors file holds each tensor's gradients under the tensor's name, shape [m, …shape]. It
/// may also hold those of tensors that are not requested. Alternatively, an NPY file or a single
/// tensor under another name holds one array [m, d]. Its columns follow the order of the weight
/// file's data, for the requested weights or for all floating-point tensors.
///
/// Ranges are read on demand, and of each row only the requested columns. Mapping the file would
/// not avoid a copy. Also, a file that shrinks during the run gives an error here; with mapped
/// memory it would give a signal.
public struct GradientFile: Sendable {
  /// The path as the caller gave it.
  public let path: String
  /// m, number of gradients.
  public let rowCount: Int
  /// d, number of weights.
  public let columnCount: Int
  private let tensors: [WeightFile.Tensor]
  private let parts: [Part]

  /// Locates contiguous columns in the file.
  private struct Part: Sendable {
    let input: InputFile
    let type: TensorType
    /// Byte offset of the first column in the first row.
    let offset: Int
    /// Number of elements from one row to the next.
    let stride: Int
    /// Range in the vector [d].
    let columns: Range<Int>
  }

  /// Opens a file and matches it to the weights.
  ///
  /// - Throws: `InputError` naming the file, and the tensor whose name, shape or type does not
  ///   match the weights.
  public init(path: String, of weights: WeightFile) throws(InputError) {
    self.path = path
    columnCount = weights.count
    tensors = weights.tensors
    if path.hasSuffix(".npy") {
      let array = try NPYFile(path: path)
      guard let type = array.type.floatingPoint else {
        throw InputError(
          path, "holds no floating-point numbers", expected: "<f2, <f4 or <f8",
          got: "\(array.type.rawValue)")
      }
      (rowCount, parts) = try Self.parts(
        of: weights, array: array.shape, type, "the array", array.input, offset: array.dataOffset)
    } else {
      let file = try SafetensorsFile(path: path)
      if file.tensors.count == 1, weights.file.tensor(file.tensors[0].name) == nil {
        let tensor = file.tensors[0]
        (rowCount, parts) = try Self.parts(
          of: weights, array: tensor.shape, try Self.floatingPoint(tensor, path),
          "tensor '\(tensor.name)'", file.input, offset: file.dataOffset)
      } else {
        (rowCount, parts) = try Self.parts(of: weights, in: file)
      }
    }
    guard rowCount > 0 else { throw InputError(path, "holds no gradients: it has 0 rows") }
  }

  /// Matches one tensor of gradients to each tensor of weights.
  private static func parts(
    of weights: WeightFile, in file: SafetensorsFile
  ) throws(InputError) -> (rows: Int, [Part]) {
    if let stranger = file.tensors.first(where: { weights.file.tensor($0.name) == nil }) {
      throw InputError(
        file.path, "tensor '\(stranger.name)' is not in \(weights.path)",
        expected: InputError.list(weights.tensors.map(\.name)))
    }
    var rows: Int?
    var parts: [Part] = []
    for tensor in weights.tensors {
      guard let entry = file.tensor(tensor.name) else {
        throw InputError(
          file.path,
          "tensor '\(tensor.name)' of \(weights.path) has no gradients "
            + "(\(setting: "exclude") leaves it as it is)",
          expected: InputError.list(weights.tensors.map(\.name)),
          got: InputError.list(file.tensors.map(\.name)))
      }
      guard !entry.shape.isEmpty, Array(entry.shape.dropFirst()) == tensor.shape,
        rows == nil || rows == entry.shape[0]
      else {
        let shape = ([rows.map(String.init) ?? "rows"] + tensor.shape.map(String.init))
        throw InputError(
          file.path, "the gradients of tensor '\(tensor.name)' do not fit",
          expected: "shape [\(shape.joined(separator: ", "))]", got: "\(entry.shape)")
      }
      rows = entry.shape[0]
      parts.append(
        Part(
          input: file.input, type: try floatingPoint(entry, file.path),
          offset: file.dataOffset + entry.range.lowerBound, stride: tensor.range.count,
          columns: tensor.range))
    }
    return (rows!, parts)
  }

  /// Matches one array to all weights.
  private static func parts(
    of weights: WeightFile, array shape: [Int], _ type: TensorType, _ name: String,
    _ input: InputFile, offset: Int
  ) throws(InputError) -> (rows: Int, [Part]) {
    let all = weights.entries.filter(\.dtype.isFloatingPoint)
    let allCount = all.reduce(0) { $0 + $1.count }
    guard shape.count == 2, shape[1] == weights.count || shape[1] == allCount else {
      let alternative = allCount == weights.count ? "" : ", or [rows, \(allCount)] with all others"
      throw InputError(
        input.path, "\(name) does not fit the weights of \(weights.path)",
        expected: "shape [rows, \(weights.count)] for \(weights.tensors.count) tensors"
          + "\(alternative)", got: "\(shape)")
    }
    func part(_ columns: Range<Int>, from first: Int) -> Part {
      Part(
        input: input, type: type, offset: offset + first * type.byteCount,
        stride: shape[1], columns: columns)
    }
    if shape[1] == weights.count { return (shape[0], [part(0..<weights.count, from: 0)]) }
    var parts: [Part] = []
    var first = 0
    for entry in all {
      if let tensor = weights.tensors.first(where: { $0.name == entry.name }) {
        parts.append(part(tensor.range, from: first))
      }
      first += entry.count
    }
    return (shape[0], parts)
  }

  private static func floatingPoint(
    _ tensor: TensorEntry, _ path: String
  ) throws(InputError) -> TensorType {
    guard tensor.dtype.isFloatingPoint else {
      throw InputError(
        path, "the gradients of tensor '\(tensor.name)' are of another type",
        expected: "\(TensorType.floatingPointNames)", got: "\(tensor.dtype.rawValue)")
    }
    return tensor.dtype
  }

  /// True if single precision would round the numbers.
  public var isDouble: Bool { parts.contains { $0.type == .float64 } }

  /// Reads some columns of a row. F64 is rounded to a narrower scalar; all other types are exact.
  ///
  /// - Parameter numbers: shape [columns.count].
  /// - Throws: `InputError` naming the tensor and row of a number that is not finite.
  public func read<Element: Scalar>(
    row: Int, columns: Range<Int>, into numbers: UnsafeMutableBufferPointer<Element>
  ) throws(InputError) {
    precondition(
      row >= 0 && row < rowCount && columns.lowerBound >= 0 && columns.upperBound <= columnCount
        && numbers.count == columns.count,
      "row \(row), columns \(columns) of [\(rowCount), \(columnCount)] in \(numbers.count) places")
    for part in parts {
      let local = part.columns.clamped(to: columns)
      guard !local.isEmpty else { continue }
      let place = local.lowerBound - columns.lowerBound
      try part.input.read(
        at: part.offset
          + (row * part.stride + local.lowerBound - part.columns.lowerBound) * part.type.byteCount,
        type: part.type,
        into: UnsafeMutableBufferPointer(rebasing: numbers[place..<place + local.count]))
    }
    guard let element = UnsafeBufferPointer(numbers).firstNonFinite else { return }
    let column = columns.lowerBound + element
    let tensor = tensors.first { $0.range.contains(column) }!
    throw InputError(
      path,
      "tensor '\(tensor.name)', row \(row): a gradient is not finite in \(Element.precision) "
        + "precision",
      got: "\(numbers[element]) at element \(column - tensor.range.lowerBound)")
  }

  /// Passes these columns of each row in `rows` to `body`, one row at a time.
  public func forEachRow<Element: Scalar>(
    of columns: Range<Int>, rows: Range<Int>, as scalar: Element.Type,
    _ body: (_ row: Int, _ slice: UnsafeBufferPointer<Element>) throws -> Void
  ) throws {
    let numbers = UnsafeMutableBufferPointer<Element>.allocate(capacity: columns.count)
    defer { numbers.deallocate() }
    for row in rows {
      try read(row: row, columns: columns, into: numbers)
      try body(row, UnsafeBufferPointer(numbers))
    }
  }
}
