import LinearAlgebra

/// Maps the window's columns to the parameters of a slice. All parameters are columns, or in each
/// cell some of them in their order.
struct WindowColumns {
  /// Each cell's columns, as ranges over the columns of the slice; possibly empty.
  let cells: [Range<Int>]
  /// The parameter of each column; nil if all parameters are columns, on every rank.
  private let parameters: [Int32]?
  /// The number of parameters in the slice.
  private let sliceCount: Int

  init(of slice: ParameterSlice) {
    sliceCount = slice.count
    guard slice.hasZeros || slice.hasOutside else {
      cells = slice.cells
      parameters = nil
      return
    }
    var parameters: [Int32] = []
    var cells: [Range<Int>] = []
    var zero = 0
    for cell in slice.cells.indices {
      let start = parameters.count
      for piece in slice.pieces(ofCell: cell) {
        for i in piece.range {
          if zero < slice.zeros.count, slice.zeros[zero] == Int32(i) {
            zero += 1
          } else if slice.groups[piece.group].usesMFAC {
            parameters.append(Int32(i))
          }
        }
      }
      cells.append(start..<parameters.count)
    }
    self.cells = cells
    self.parameters = parameters
    MemoryCount.add(parameters.count, of: Int32.self)
  }

  var count: Int { cells.last?.upperBound ?? 0 }

  /// True if every parameter is a column, on all ranks. The ranks exchange sums over the columns
  /// only if it is false.
  var areAll: Bool { parameters == nil }

  /// Returns for each column its index among other columns of the same slice, or −1 if it is not
  /// one of them.
  func places(in others: WindowColumns) -> [Int32] {
    var (places, place) = ([Int32](), 0)
    for k in 0..<count {
      let parameter = parameter(of: k)
      while place < others.count, others.parameter(of: place) < parameter { place += 1 }
      let isThere = place < others.count && others.parameter(of: place) == parameter
      places.append(isThere ? Int32(place) : -1)
    }
    return places
  }

  private func parameter(of column: Int) -> Int32 { parameters?[column] ?? Int32(column) }

  /// Copies `columns[k] = x[parameter of column k]`.
  func gather<Element: Scalar>(
    _ x: UnsafeBufferPointer<Element>, into columns: UnsafeMutableBufferPointer<Element>
  ) {
    check(x.count, columns.count)
    for (k, i) in parameters!.enumerated() { columns[k] = x[Int(i)] }
  }

  /// Copies `x[parameter of column k] = columns[k]` for the columns k of a cell; other elements of
  /// x are unchanged.
  func scatter<Element: Scalar>(
    _ columns: UnsafeBufferPointer<Element>, ofCell cell: Int,
    into x: UnsafeMutableBufferPointer<Element>
  ) {
    check(x.count, columns.count)
    for k in cells[cell] { x[Int(parameters![k])] = columns[k] }
  }

  private func check(_ slice: Int, _ columns: Int) {
    precondition(
      slice == sliceCount && columns == count,
      "\(columns) columns of \(slice) parameters, not \(count) of \(sliceCount)")
  }
}
