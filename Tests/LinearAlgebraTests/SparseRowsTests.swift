import LinearAlgebra
import Reference
import Testing

@Suite struct SparseRowsTests {
  /// Returns row k of the tests: zeros except in some of its columns, at most `entries` of them.
  private func row<Element: Scalar>(_ k: Int, entries: Int, count: Int) -> [Element] {
    var row = [Element](repeating: 0, count: count)
    for e in 0..<entries - k % 2 { row[(e * 13 + k * 5) % count] = Element((e + k) % 7 - 3) / 97 }
    return row
  }

  @Test(
    "products with sparse rows equal plain sums",
    arguments: [(1, 1), (17, 1), (17, 7), (40, 8), (40, 9), (416, 40)],
    RowType.unscaledTypes(for: Double.self))
  func plainSums(shape: (count: Int, entries: Int), type: RowType) {
    agreesWithPlainSums(of: Float.self, shape, type)
    agreesWithPlainSums(of: Double.self, shape, type)
  }

  private func agreesWithPlainSums<Element: Scalar>(
    of scalar: Element.Type, _ shape: (count: Int, entries: Int), _ type: RowType
  ) {
    let (count, entries) = shape
    let capacity = 5
    let columns = Buffer<UInt16>(count: capacity * entries)
    let values = Buffer<Double>(count: capacity * entries)
    // Rows that are not filled must not be read: these bits are a NaN of every type.
    UnsafeMutableRawBufferPointer(values.all).initializeMemory(as: UInt8.self, repeating: .max)
    let rows = SparseRows<Element>(
      columns: columns.pointer, values: values.pointer, type: type, entries: entries,
      capacity: capacity, count: count)
    let x = (0..<count).map { Element(($0 * 31) % 101 - 50) / 11 }
    var dense: [[Double]] = []
    for filled in 0...capacity {
      if filled > 0 {
        let row: [Element] = row(filled - 1, entries: entries, count: count)
        row.withUnsafeBufferPointer { rows.store($0, slot: filled - 1) }
        dense.append(row.map { held(Double($0), by: type) })
        var loaded = [Element](repeating: .nan, count: count)
        loaded.withUnsafeMutableBufferPointer { rows.load(filled - 1, into: $0) }
        #expect(loaded == dense[filled - 1].map { Element($0) })
      }
      var sums = [Double](repeating: .nan, count: filled)
      x.withUnsafeBufferPointer { rows.dots(filled: filled, x: $0, sums: &sums) }
      for k in 0..<filled {
        // Eight lanes over the elements that are not 0, folded in their order: the same bits on
        // every CPU.
        var lanes = [Double](repeating: 0, count: 8)
        for (e, i) in dense[k].indices.filter({ dense[k][$0] != 0 }).enumerated() {
          lanes[e % 8] += dense[k][i] * Double(x[i])
        }
        let folded =
          ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
          + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
        #expect(sums[k] == folded)
      }

      let coefficients = (0..<filled).map { Double($0) - 2.5 }
      var combined = [Double](repeating: .nan, count: count)
      combined.withUnsafeMutableBufferPointer { rows.combine(coefficients, into: $0) }
      for i in 0..<count {
        var sum = 0.0
        for k in 0..<filled { sum += coefficients[k] * dense[k][i] }
        #expect(combined[i] == sum)
      }
    }
  }
}
