import LinearAlgebra
import Reference

/// Returns the number that rows of a type without scales store for x, which is neither tiny nor
/// huge.
func held(_ x: Double, by type: RowType) -> Double {
  switch type {
  case .float32: rounded(x, toDigits: 24)
  case .bfloat16: rounded(x, toDigits: 8)
  case .float64: x
  case .int8: preconditionFailure("a number of a scaled type depends on its row")
  }
}

/// Returns the row that is stored for x, whose numbers are neither tiny nor huge.
func held(_ x: [Double], by type: RowType) -> [Double] {
  guard type.isScaled else { return x.map { held($0, by: type) } }
  let exact = (x.map(abs).max() ?? 0) / 127
  guard exact > 0 else { return x }
  // Sixteen binary digits, rounded up.
  let unit = Double(sign: .plus, exponent: exact.exponent - 15, significand: 1)
  let scale = (exact / unit).rounded(.up) * unit
  return x.map { ($0 / scale).rounded(.toNearestOrEven) * scale }
}
