import LinearAlgebra

/// Conjugate gradients for `A x = b`, A symmetric and positive definite, of which only products are
/// known. Hestenes and Stiefel, 1952.
///
/// Every rank that runs it on the same numbers gets the same bits; only the product may communicate.
public struct ConjugateGradients: Sendable, Equatable {
  /// It ends where ‖b − A x‖ ≤ tolerance·‖b‖, or after so many iterations: products, without the one that
  /// a warm start takes.
  public var tolerance: Double
  public var iterations: Int

  public init(tolerance: Double, iterations: Int) {
    precondition(tolerance >= 0 && iterations > 0, "\(tolerance), \(iterations) iterations")
    self.tolerance = tolerance
    self.iterations = iterations
  }

  public struct Outcome: Sendable {
    public let iterations: Int
    /// ‖r‖/‖b‖ of the residual that the iteration carries along; 0 where b is 0.
    public let residual: Double

    public init(iterations: Int, residual: Double) {
      self.iterations = iterations
      self.residual = residual
    }
  }

  /// - Parameters:
  ///   - b: [count]
  ///   - x: [count], the solution; where it begins: zeros; or for a warm start what is thought to be near a
  ///     multiple of it, of which it takes that with the least error in the norm of A, (xᵀb/xᵀA x) x:
  ///     never worse than zeros.
  ///   - product: `y = A x` from its first argument into the second.
  public func solve<Element: Scalar>(
    count: Int, _ b: UnsafePointer<Element>, x: UnsafeMutablePointer<Element>,
    product: (UnsafePointer<Element>, UnsafeMutablePointer<Element>) throws -> Void
  ) rethrows -> Outcome {
    let goal = Element.dot(count: count, b, b).squareRoot()
    guard goal > 0 else {
      x.update(repeating: 0, count: count)
      return Outcome(iterations: 0, residual: 0)
    }
    let (residual, direction) = (Buffer<Element>(count: count), Buffer<Element>(count: count))
    let image = Buffer<Element>(count: count)
    let (r, p, q) = (residual.pointer, direction.pointer, image.pointer)
    r.update(from: b, count: count)
    if Element.dot(count: count, x, x) > 0 {
      try product(x, q)
      let curvature = Element.dot(count: count, x, q)
      if curvature > 0 {
        let scale = Element(Element.dot(count: count, x, b) / curvature)
        Element.combine(count: count, alpha: 0, b, beta: scale, into: x)
        Element.combine(count: count, alpha: -scale, q, beta: 1, into: r)
      } else {
        x.update(repeating: 0, count: count)
      }
    }
    p.update(from: r, count: count)
    var square = Element.dot(count: count, r, r)
    var done = 0
    while done < iterations, square.squareRoot() > tolerance * goal {
      try product(p, q)
      let curvature = Element.dot(count: count, p, q)
      // By rounding alone, or with no numbers.
      guard curvature > 0 else { break }
      let step = Element(square / curvature)
      Element.combine(count: count, alpha: step, p, beta: 1, into: x)
      Element.combine(count: count, alpha: -step, q, beta: 1, into: r)
      let next = Element.dot(count: count, r, r)
      Element.combine(count: count, alpha: 1, r, beta: Element(next / square), into: p)
      square = next
      done += 1
    }
    return Outcome(iterations: done, residual: square.squareRoot() / goal)
  }
}
