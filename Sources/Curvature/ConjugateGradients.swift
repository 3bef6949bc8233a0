import LinearAlgebra

/// Solves `A x = b` by conjugate gradients. A is symmetric and positive definite, and given only by
/// its products with vectors. Hestenes and Stiefel, 1952.
///
/// Every rank that runs it on the same numbers gets the same bits; only the products may
/// communicate.
public struct ConjugateGradients: Codable, Equatable, Sendable {
  /// The iteration stops at ‖b − A x‖ ≤ tolerance·‖b‖.
  public var tolerance: Double
  /// The largest number of products, not counting the one that a warm start takes.
  public var iterations: Int

  /// Creates the stopping rule.
  ///
  /// - Parameters:
  ///   - tolerance: 0 or more.
  ///   - iterations: at least 1.
  public init(tolerance: Double, iterations: Int) {
    precondition(tolerance >= 0 && iterations > 0, "\(tolerance), \(iterations) iterations")
    self.tolerance = tolerance
    self.iterations = iterations
  }

  /// Reports the number of products and the final residual of a solution.
  public struct Outcome: Sendable {
    /// The number of products, not counting the one of a warm start.
    public let iterations: Int
    /// ‖r‖/‖b‖ of the residual that the iteration maintains; 0 if b is 0.
    public let residual: Double

    /// Creates an outcome, for example a summary of several equations.
    public init(iterations: Int, residual: Double) {
      self.iterations = iterations
      self.residual = residual
    }
  }

  /// One equation `A x = b`; holds b, x and workspace without owning them.
  public struct Equation<Element: Scalar> {
    let count: Int
    let b: UnsafePointer<Element>
    let x: UnsafeMutablePointer<Element>
    let workspace: UnsafeMutablePointer<Element>

    /// Returns the length of the workspace for an equation of `count` unknowns.
    public static func workspaceCount(_ count: Int) -> Int { 3 * count }

    /// Creates an equation from memory of the caller.
    ///
    /// - Parameters:
    ///   - count: the number of unknowns.
    ///   - b: [count].
    ///   - x: [count]; holds the start, and becomes the solution. Zeros give a cold start. A warm
    ///     start is replaced by its multiple (xᵀb/xᵀA x) x of least error in the norm of A, which
    ///     is never worse than zeros.
    ///   - workspace: `workspaceCount(count)` numbers, overwritten.
    public init(
      count: Int, _ b: UnsafePointer<Element>, x: UnsafeMutablePointer<Element>,
      workspace: UnsafeMutablePointer<Element>
    ) {
      self.count = count
      self.b = b
      self.x = x
      self.workspace = workspace
    }
  }

  /// The product `y = A v` for the equation with that index.
  public typealias Product<Element> = (
    equation: Int, v: UnsafePointer<Element>, y: UnsafeMutablePointer<Element>
  )

  /// Solves independent equations in step, so that `multiply` can compute their products together.
  ///
  /// - Parameter multiply: computes one product for each equation that is not solved yet.
  public func solve<Element: Scalar>(
    _ equations: [Equation<Element>], multiply: ([Product<Element>]) throws -> Void
  ) rethrows -> [Outcome] {
    let solutions = equations.map(Solution.init)
    let warm = equations.indices.filter { solutions[$0].startsWarm }
    if !warm.isEmpty {
      try multiply(warm.map { ($0, UnsafePointer(equations[$0].x), solutions[$0].q) })
      for index in warm { solutions[index].start() }
    }
    for solution in solutions { solution.p.update(from: solution.r, count: solution.count) }
    while true {
      let open = solutions.indices.filter { solutions[$0].isOpen(self) }
      guard !open.isEmpty else { return solutions.map(\.outcome) }
      try multiply(open.map { ($0, UnsafePointer(solutions[$0].p), solutions[$0].q) })
      for index in open { solutions[index].advance() }
    }
  }

  /// Solves one equation; `product` writes `A v` of its first argument v into the second.
  public func solve<Element: Scalar>(
    count: Int, _ b: UnsafePointer<Element>, x: UnsafeMutablePointer<Element>,
    product: (UnsafePointer<Element>, UnsafeMutablePointer<Element>) throws -> Void
  ) rethrows -> Outcome {
    let workspace = Buffer<Element>(count: Equation<Element>.workspaceCount(count))
    return try solve([Equation(count: count, b, x: x, workspace: workspace.pointer)]) {
      try product($0[0].v, $0[0].y)
    }[0]
  }
}

/// Holds the state of one equation during the iteration.
private final class Solution<Element: Scalar> {
  let count: Int
  private let equation: ConjugateGradients.Equation<Element>
  private let goal: Double
  private var square: Double
  private var iterations = 0
  private var isOver = false

  init(_ equation: ConjugateGradients.Equation<Element>) {
    self.equation = equation
    count = equation.count
    square = Element.dot(count: count, equation.b, equation.b)
    goal = square.squareRoot()
    if goal > 0 {
      r.update(from: equation.b, count: count)
    } else {
      equation.x.update(repeating: 0, count: count)
      isOver = true
    }
  }

  /// The residual r, the search direction p, and q = A p.
  var r: UnsafeMutablePointer<Element> { equation.workspace }
  var p: UnsafeMutablePointer<Element> { equation.workspace + count }
  var q: UnsafeMutablePointer<Element> { equation.workspace + 2 * count }

  var startsWarm: Bool { !isOver && Element.dot(count: count, equation.x, equation.x) > 0 }

  /// Scales the warm start; expects A x in q.
  func start() {
    let (x, b) = (equation.x, equation.b)
    let curvature = Element.dot(count: count, x, q)
    guard curvature > 0 else { return x.update(repeating: 0, count: count) }
    let scale = Element(Element.dot(count: count, x, b) / curvature)
    Element.combine(count: count, alpha: 0, b, beta: scale, into: x)
    Element.combine(count: count, alpha: -scale, q, beta: 1, into: r)
    square = Element.dot(count: count, r, r)
  }

  func isOpen(_ limits: ConjugateGradients) -> Bool {
    !isOver && iterations < limits.iterations && square.squareRoot() > limits.tolerance * goal
  }

  /// Takes one step; expects A p in q.
  func advance() {
    let curvature = Element.dot(count: count, p, q)
    // Rounding or a NaN has destroyed the curvature pᵀA p > 0.
    guard curvature > 0 else {
      isOver = true
      return
    }
    let step = Element(square / curvature)
    Element.combine(count: count, alpha: step, p, beta: 1, into: equation.x)
    Element.combine(count: count, alpha: -step, q, beta: 1, into: r)
    let next = Element.dot(count: count, r, r)
    Element.combine(count: count, alpha: 1, r, beta: Element(next / square), into: p)
    square = next
    iterations += 1
  }

  var outcome: ConjugateGradients.Outcome {
    .init(iterations: iterations, residual: goal > 0 ? square.squareRoot() / goal : 0)
  }
}
