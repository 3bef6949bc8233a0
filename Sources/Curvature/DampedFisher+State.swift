import LinearAlgebra

extension DampedFisher {
  /// What the m×m side is beside `arrays`, by name, the same on every rank: gradients in the window
  /// and the slot of the oldest, λ of the factor and the λ that is asked for, and of the factor the
  /// rows that it has lost and whether it is kept up from step to step.
  ///
  /// The factor goes on with the bits that it has: they come from all replacements since it was
  /// made.
  public var numbers: [String: Double] {
    [
      "filled": Double(window.filled), "oldest": Double(window.oldest), "factor_damping": damping,
      "wanted_damping": wantedDamping, "factor_rows_lost": Double(factor.start),
      "factor_maintained": isFactorMaintained ? 1 : 0,
    ]
  }

  /// K of the filled slots, shape [filled, filled], and the factor.
  public var arrays: [StoredArray] {
    let (m, filled) = (window.capacity, window.filled)
    return [
      StoredArray(
        "gram", order: filled, element: { [self] i, j in gram[i * m + j] },
        restore: { [self] i, j, number in gram[i * m + j] = number }), factor.array,
    ]
  }

  /// Becomes that of another process, whose numbers `arrays` and the window's then take over.
  ///
  /// - Throws: `StoredArrayError` where there could have been no such one.
  public func resume(_ numbers: [String: Double]) throws(StoredArrayError) {
    let (damping, wanted) = (
      try numbers.stored("factor_damping"), try numbers.stored("wanted_damping")
    )
    guard damping > 0, wanted > 0 else {
      throw StoredArrayError("a damping of \(damping), and one of \(wanted) wanted")
    }
    try window.resume(
      filled: try numbers.storedCount("filled"), oldest: try numbers.storedCount("oldest"))
    (self.damping, wantedDamping) = (damping, wanted)
    isFactorMaintained = try numbers.storedCount("factor_maintained") != 0
    try factor.resume(
      order: window.filled, start: try numbers.storedCount("factor_rows_lost"), shift: shift)
  }
}
