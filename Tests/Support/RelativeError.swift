/// Returns `‖a − b‖/‖b‖` in the Euclidean norm.
package func relativeError(_ a: [Double], to b: [Double]) -> Double {
  precondition(a.count == b.count, "\(a.count) numbers against \(b.count)")
  let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  return (difference / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
}

/// Returns max |a − b| over max |b|; NaN if any element is NaN.
package func largestRelativeError<Element: BinaryFloatingPoint>(
  _ a: [Element], to b: [Double]
) -> Double {
  precondition(a.count == b.count, "\(a.count) numbers against \(b.count)")
  let scale = b.reduce(0) { max($0, $1.magnitude) }
  let error = zip(a, b).reduce(0) { worst, pair in
    let difference = (Double(pair.0) - pair.1).magnitude
    return worst.isNaN || difference <= worst ? worst : difference
  }
  return error / scale
}
