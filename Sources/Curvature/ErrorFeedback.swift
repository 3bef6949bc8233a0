import LinearAlgebra

/// Keeps the largest entries of each gradient, and carries the rest over to the next one.
///
///     e [d]   carried over; here a slice
///     a = g + e,   x = the stored part of a,   e ← a − x
///
/// The feedback is exact in the gradients' precision except for the rounding of g + e: no part of a
/// gradient is lost, some of it only arrives later. Modoranu, Kalinov, Kurtic, Frantar and
/// Alistarh, "Error Feedback Can Accurately Compress Preconditioners", 2024.
final class ErrorFeedback<Element: Scalar> {
  private let cells: [Range<Int>]
  private let form: WindowForm
  private var carried: Buffer<Element>
  /// The e that follows if x is inserted; the gradient may still be skipped.
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

  /// Replaces a gradient x by its stored part, after adding what was carried over.
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

  /// Returns e of a cell.
  func carried(ofCell cell: Int) -> UnsafeMutableBufferPointer<Element> { carried[cells[cell]] }

  /// Returns e of a cell as a checkpoint stores it.
  func array(ofCell cell: Int) -> StoredArray {
    carried.array("carried", cells[cell])
  }

  /// Adopts the pending e, after the compressed gradient is inserted.
  func commit() {
    precondition(isPending, "a gradient that was not staged")
    swap(&carried, &pending)
    isPending = false
  }
}
