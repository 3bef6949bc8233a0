import LinearAlgebra

extension DampedFisher {
  /// The scalars that a checkpoint stores with `arrays`, by name, the same on every rank.
  ///
  ///     filled, oldest      the gradients in the window, and the slot of the oldest
  ///     factor_damping      λ of the factor
  ///     wanted_damping      `wantedDamping`
  ///     factor_rows_lost    rows that the factor has lost since S was factored
  ///     factor_maintained   1 if the factor is updated from step to step, else 0
  ///
  /// A resumed run keeps the factor's bits, because they depend on every replacement since S was
  /// factored.
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

  /// Restores the scalars of another process; `arrays` and the window's arrays restore the rest.
  ///
  /// - Throws: `StoredArrayError` if the numbers cannot come from such a matrix.
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
