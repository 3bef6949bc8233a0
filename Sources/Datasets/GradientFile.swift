/// Gradients of a model from any framework: rows G [m, d], whose columns are the weights of a
/// `WeightFile`.
///
/// In a safetensors file each tensor has its gradients under its own name, shape [m, …shape]; those of
/// tensors that are not asked for may be there too. Or an NPY file's array, or a safetensors file's
/// only tensor under any other name, is [m, d], its columns in the order of the weight file's data: of
/// the weights that are asked for, or of all floating-point tensors in it.
///
/// Ranges are read as they are asked for, of each row the columns alone that are: every number goes to
/// a place of its own in any case, and a file that shrinks meanwhile ends in an error, where mapped
/// memory would end in a signal.
public struct GradientFile: Sendable {
  public let path: String
  /// m
  public let rowCount: Int
  /// d
  public let columnCount: Int
  private let tensors: [WeightFile.Tensor]
  private let parts: [Part]

  /// Columns that lie side by side in the file.
  fileprivate struct Part: Sendable {
    let input: InputFile
    let type: TensorType
    /// Where its first column's first row begins.
    let offset: Int
    /// Elements from one row to the next.
    let stride: Int
    /// In the vector [d].
    let columns: Range<Int>
  }

  /// - Throws: `DatasetError` naming the file, and the tensor whose name, shape or type does not fit
  ///   the weights.
  public init(path: String, of weights: WeightFile) throws(DatasetError) {
    self.path = path
    columnCount = weights.count
    tensors = weights.tensors
    if path.hasSuffix(".npy") {
      let array = try NPYFile(path: path)
      guard let type = array.type.floatingPoint else {
        throw DatasetError(
          path, "holds no floating-point numbers", expected: "<f2, <f4 or <f8",
          got: array.type.rawValue)
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
    guard rowCount > 0 else { throw DatasetError(path, "holds no gradients: its rows are 0") }
  }

  /// From a tensor for each one of the weights.
  private static func parts(
    of weights: WeightFile, in file: SafetensorsFile
  ) throws(DatasetError) -> (rows: Int, [Part]) {
    if let stranger = file.tensors.first(where: { weights.file.tensor($0.name) == nil }) {
      throw DatasetError(
        file.path, "tensor '\(stranger.name)' is none of \(weights.path)",
        expected: DatasetError.list(weights.tensors.map(\.name)))
    }
    var rows: Int?
    var parts: [Part] = []
    for tensor in weights.tensors {
      guard let entry = file.tensor(tensor.name) else {
        throw DatasetError(
          file.path, "tensor '\(tensor.name)' of \(weights.path) has no gradients",
          expected: DatasetError.list(weights.tensors.map(\.name)),
          got: DatasetError.list(file.tensors.map(\.name)))
      }
      guard !entry.shape.isEmpty, Array(entry.shape.dropFirst()) == tensor.shape,
        rows == nil || rows == entry.shape[0]
      else {
        let shape = ([rows.map(String.init) ?? "rows"] + tensor.shape.map(String.init))
        throw DatasetError(
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

  /// From one array for all of the weights.
  private static func parts(
    of weights: WeightFile, array shape: [Int], _ type: TensorType, _ name: String,
    _ input: InputFile, offset: Int
  ) throws(DatasetError) -> (rows: Int, [Part]) {
    let all = weights.entries.filter(\.dtype.isFloatingPoint)
    let allCount = all.reduce(0) { $0 + $1.count }
    guard shape.count == 2, shape[1] == weights.count || shape[1] == allCount else {
      let alternative = allCount == weights.count ? "" : ", or [rows, \(allCount)] with all others"
      throw DatasetError(
        input.path, "\(name) does not fit the weights of \(weights.path)",
        expected: "shape [rows, \(weights.count)] for \(weights.tensors.count) tensors"
          + alternative, got: "\(shape)")
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
  ) throws(DatasetError) -> TensorType {
    guard tensor.dtype.isFloatingPoint else {
      throw DatasetError(
        path, "the gradients of tensor '\(tensor.name)' are of another type",
        expected: TensorType.floatingPointNames, got: tensor.dtype.rawValue)
    }
    return tensor.dtype
  }

  /// Reads some columns of some rows, in single precision.
  ///
  /// - Parameter numbers: shape [rows.count, columns.count].
  /// - Throws: `DatasetError` naming the tensor and the row of a number that is not finite.
  public func read(
    rows: Range<Int>, columns: Range<Int>, into numbers: UnsafeMutableBufferPointer<Float>
  ) throws(DatasetError) {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= rowCount && columns.lowerBound >= 0
        && columns.upperBound <= columnCount && numbers.count == rows.count * columns.count,
      "rows \(rows), columns \(columns) of [\(rowCount), \(columnCount)] in \(numbers.count) places"
    )
    // Rows of small tensors lie close to one another: one call for several.
    let several = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1 << 14)
    defer { several.deallocate() }
    for part in parts {
      let own = part.columns.clamped(to: columns)
      guard !own.isEmpty else { continue }
      let step = own.count == part.stride ? max(1, several.count / own.count) : 1
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
        let some = first..<min(first + step, rows.upperBound)
        let places = some.map { row in
          let start = (row - rows.lowerBound) * columns.count + own.lowerBound - columns.lowerBound
          return UnsafeMutableBufferPointer(rebasing: numbers[start..<start + own.count])
        }
        try part.read(own, row: first, into: places, through: several)
        for (row, place) in zip(some, places) {
          guard let element = UnsafeBufferPointer(place).firstNonFinite else { continue }
          throw notFinite(place[element], row: row, column: own.lowerBound + element)
        }
      }
    }
  }

  private func notFinite(_ number: Float, row: Int, column: Int) -> DatasetError {
    let tensor = tensors.first { $0.range.contains(column) }!
    return DatasetError(
      path, "tensor '\(tensor.name)', row \(row): a gradient is not finite in single precision",
      got: "\(number) at element \(column - tensor.range.lowerBound)")
  }

  /// Gives these columns of each of `rows` to `body`, in turn.
  public func forEachRow(
    of columns: Range<Int>, rows: Range<Int>,
    _ body: (_ row: Int, _ slice: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let step = min(max(1, (1 << 20) / max(columns.count, 1)), max(rows.count, 1))
    let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: step * columns.count)
    defer { numbers.deallocate() }
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      let some = first..<min(first + step, rows.upperBound)
      let part = UnsafeMutableBufferPointer(rebasing: numbers[..<(some.count * columns.count)])
      try read(rows: some, columns: columns, into: part)
      for row in some {
        let start = (row - first) * columns.count
        try body(row, UnsafeBufferPointer(rebasing: part[start..<start + columns.count]))
      }
    }
  }
}

extension GradientFile.Part {
  /// Reads columns of as many rows from `row` on as there are places, of several rows all of them.
  fileprivate func read(
    _ own: Range<Int>, row: Int, into places: [UnsafeMutableBufferPointer<Float>],
    through several: UnsafeMutableBufferPointer<Float>
  ) throws(DatasetError) {
    let start = offset + (row * stride + own.lowerBound - columns.lowerBound) * type.byteCount
    if places.count == 1 { return try input.read(at: start, type: type, into: places[0]) }
    try input.read(
      at: start, type: type,
      into: UnsafeMutableBufferPointer(rebasing: several[..<(places.count * own.count)]))
    for (index, place) in places.enumerated() {
      _ = place.update(
        fromContentsOf: several[index * own.count..<(index + 1) * own.count])
    }
  }
}
