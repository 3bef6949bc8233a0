import LinearAlgebra
import Reference
import Testing

@Suite struct InterleavedRowsTests {
  private func value(_ i: Int) -> Float { Float((i * 7919) % 1013 - 506) / 97 }

  @Test(arguments: [0, 1, 15, 16, 17, 31, 416], [1, 3, 7, 8, 9, 16, 21])
  func rowsOfSinglePrecisionAgreeWithPlainSums(count: Int, capacity: Int) {
    agreesWithPlainSums(count: count, capacity: capacity, type: .float32)
  }

  @Test(arguments: [0, 1, 15, 16, 17, 31, 416], [1, 3, 7, 8, 9, 16, 21])
  func rowsOfBFloat16AgreeWithPlainSums(count: Int, capacity: Int) {
    agreesWithPlainSums(count: count, capacity: capacity, type: .bfloat16)
  }

  /// Lengths around the runs of sixteen, rows around the groups of eight, and what a window that fills
  /// up leaves unread.
  private func agreesWithPlainSums(count: Int, capacity: Int, type: RowType) {
    func stored(_ i: Int) -> Float {
      type == .float32 ? value(i) : roundedToBFloat16(value(i))
    }
    let bytes = InterleavedRows.bytes(type: type, capacity: capacity, count: count)
    let memory = Buffer<Float>(count: bytes / 4)
    // What is not filled must not be read.
    memory.all.update(repeating: .nan)
    let rows = InterleavedRows(
      at: memory.pointer, type: type, capacity: capacity, count: count)
    let x = Buffer<Float>(count: count)
    for i in 0..<count { x.pointer[i] = value(i + 31) }
    for filled in 0...capacity {
      if filled > 0 {
        let row = Buffer<Float>(count: count)
        for i in 0..<count { row.pointer[i] = value((filled - 1) * count + i) }
        rows.store(UnsafeBufferPointer(row.all), slot: filled - 1)
      }
      let sums = Buffer<Double>(count: filled)
      rows.dots(filled: filled, x: UnsafeBufferPointer(x.all), sums: sums.pointer)
      for k in 0..<filled {
        #expect(sums.pointer[k] == folded((0..<count).map { stored(k * count + $0) }, x.all))
      }

      let coefficients = (0..<filled).map { Double($0) - 2.5 }
      let combined = Buffer<Double>(count: count)
      rows.combine(coefficients, into: combined.all)
      for i in 0..<count {
        // Added in the order of k: the same bits.
        var sum = 0.0
        for k in 0..<filled { sum += coefficients[k] * Double(stored(k * count + i)) }
        #expect(combined.pointer[i] == sum)
      }
    }
  }

  /// Eight lanes, folded in their order: the same bits on every CPU.
  private func folded(_ row: [Float], _ x: UnsafeMutableBufferPointer<Float>) -> Double {
    var lanes = [Double](repeating: 0, count: 8)
    for i in row.indices { lanes[i % 8] += Double(row[i]) * Double(x[i]) }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
      + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
  }

  @Test(arguments: [0, 1, 7, 8, 9, 31, 416])
  func aDotProductHasTheBitsOfARow(count: Int) {
    let row = (0..<count).map(value)
    let x = Buffer<Float>(count: count)
    for i in 0..<count { x.pointer[i] = value(i + 31) }
    row.withUnsafeBufferPointer {
      #expect(MixedPrecision.dot($0, UnsafeBufferPointer(x.all)) == folded(row, x.all))
    }
  }

  @Test(arguments: [0, 5, 8])
  func aNaNIsNotLost(at place: Int) {
    var row: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    row[place] = .nan
    row.withUnsafeBufferPointer { #expect(MixedPrecision.dot($0, $0).isNaN) }
  }
}
