import LinearAlgebra
import Testing

@Suite struct MixedPrecisionTests {
  private func value(_ i: Int) -> Float { Float((i * 7919) % 1013 - 506) / 97 }

  /// Lengths around the eight lanes and row counts around the blocks of four and eight.
  @Test(arguments: [0, 1, 7, 8, 9, 31, 416], [0, 1, 3, 4, 5, 8, 9, 17])
  func agreesWithPlainSums(count: Int, rows: Int) {
    let stride = count + 5
    let matrix = Buffer<Float>(count: rows * stride)
    let x = Buffer<Float>(count: count)
    for i in 0..<rows * stride { matrix.pointer[i] = value(i) }
    for i in 0..<count { x.pointer[i] = value(i + 31) }

    let sums = Buffer<Double>(count: rows)
    MixedPrecision.dots(
      rows: matrix.pointer, stride: stride, rowCount: rows, x: UnsafeBufferPointer(x.all),
      sums: sums.pointer)
    for k in 0..<rows {
      // Eight lanes folded in their order, then the rest: the same bits on every CPU.
      let products = (0..<count).map {
        Double(value(k * stride + $0)) * Double(value($0 + 31))
      }
      var lanes = [Double](repeating: 0, count: 8)
      let body = count / 8 * 8
      for i in 0..<body { lanes[i % 8] += products[i] }
      let folded =
        ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
      #expect(sums.pointer[k] == folded + products[body...].reduce(0, +))
    }

    let coefficients = (0..<rows).map { Double($0) - 2.5 }
    let combined = Buffer<Double>(count: count)
    MixedPrecision.combine(
      rows: matrix.pointer, stride: stride, coefficients: coefficients, sums: combined.all)
    for i in 0..<count {
      // Added in the order of k: the same bits.
      var sum = 0.0
      for k in 0..<rows { sum += coefficients[k] * Double(value(k * stride + i)) }
      #expect(combined.pointer[i] == sum)
    }
  }

  @Test func aNaNIsNotLost() {
    let row: [Float] = [1, 2, 3, .nan, 5, 6, 7, 8, 9]
    var sum = 0.0
    row.withUnsafeBufferPointer {
      MixedPrecision.dots(rows: $0.baseAddress!, stride: 0, rowCount: 1, x: $0, sums: &sum)
    }
    #expect(sum.isNaN)
  }
}
