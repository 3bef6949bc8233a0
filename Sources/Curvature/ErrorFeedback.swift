import LinearAlgebra

/// Brings gradients to their largest entries, and carries what is left out over to the next.
///
///     e [d]   carried over; here a slice's
///     a = g + e,   x = the stored part of a,   e ← a − x
///
/// Exact in the gradients' precision, beside the rounding of g + e: nothing of a gradient is lost,
/// it only comes later. Modoranu, Kalinov, Kurtic, Frantar and Alistarh, "Error Feedback Can
/// Accurately Compress Preconditioners", 2024.
final class ErrorFeedback<Element: Scalar> {
  private let cells: [Range<Int>]
  private let form: WindowForm
  private var carried: Buffer<Element>
  /// What will be carried once x is taken; until then a gradient may still be left out.
  private var pending: Buffer<Element>
  private var isPending = false
  private let columns: Buffer<UInt16>
  private let values: Buffer<Element>

  init(cells: [Range<Int>], form: WindowForm) {
    self.cells = cells
    self.form = form
    let count = cells.last?.upperBound ?? 0
    carried = Buffer(count: count)
    pending = Buffer(count: count)
    let entries = cells.map { form.entries($0.count) }.max() ?? 0
    columns = Buffer(count: entries)
    values = Buffer(count: entries)
  }

  /// `x`, a gradient, becomes what will be stored of it and of what was carried.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func compress(_ x: UnsafeMutableBufferPointer<Element>) {
    for cell in cells {
      let stored = UnsafeMutableBufferPointer(rebasing: x[cell])
      let (before, sum) = (carried[cell], pending[cell])
      for i in 0..<cell.count { sum[i] = stored[i] + before[i] }
      let columns = columns[0..<form.entries(cell.count)]
      let values = values[0..<columns.count]
      MixedPrecision.largest(of: UnsafeBufferPointer(sum), columns: columns)
      for (entry, column) in columns.enumerated() { values[entry] = sum[Int(column)] }
      MixedPrecision.round(values, to: form.rowType(of: Element.self))
      stored.update(repeating: 0)
      for (entry, column) in columns.enumerated() {
        stored[Int(column)] = values[entry]
        sum[Int(column)] -= values[entry]
      }
    }
    isPending = true
  }

  /// What is carried over, of a cell.
  func carried(ofCell cell: Int) -> UnsafeMutableBufferPointer<Element> { carried[cells[cell]] }

  /// The same as it is outside of memory.
  func array(ofCell cell: Int) -> StoredArray {
    carried.array("carried", cells[cell])
  }

  /// The compressed gradient is taken: what it left out is carried.
  func commit() {
    precondition(isPending, "a gradient that was not staged")
    swap(&carried, &pending)
    isPending = false
  }
}
