import LinearAlgebra
import Reference

/// Returns the number that rows of a type store for x, which is neither tiny nor huge.
func held(_ x: Double, by type: RowType) -> Double {
  switch type {
  case .float32: rounded(x, toDigits: 24)
  case .bfloat16: rounded(x, toDigits: 8)
  case .float64: x
  }
}
