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
      var (sum, size) = (0.0, 0.0)
      for i in 0..<count {
        sum += Double(value(k * stride + i)) * Double(value(i + 31))
        size += abs(Double(value(k * stride + i)) * Double(value(i + 31)))
      }
      // The order of at most 416 additions in double precision.
      #expect(abs(sums.pointer[k] - sum) <= 1e-13 * size)
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
