import LinearAlgebra
import Reference

/// What rows of a type hold of a number that is neither tiny nor huge.
func held(_ x: Double, by type: RowType) -> Double {
  switch type {
  case .float32: rounded(x, toDigits: 24)
  case .bfloat16: rounded(x, toDigits: 8)
  case .float64: x
  }
}
