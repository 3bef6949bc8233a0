import Curvature
import Testing

/// Compares the norms and products computed from the m×m side with those of the direction itself.
struct DirectionProductsTests {
  private let d = 300
  private let m = 12

  private func dot(_ x: [Float], _ y: [Float]) -> Double {
    zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  /// The damping ranges from far below K to far above it, while the window fills and afterwards.
  @Test(
    "‖u‖² and gᵀu from the m×m side equal those of the direction",
    arguments: [1e-8, 1e-4, 1, 1e6], [0.2, 0.9])
  func directionProducts(damping: Double, sharedMean: Double) throws {
    let samples = GradientSamples(d: d, norm: 2, sharedMean: sharedMean)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: m, cells: [0..<100, 100..<300]), damping: damping)
    var u = [Float](repeating: 0, count: d)
    for step in 0..<2 * m {
      let g = samples.gradient(step)
      let square = dot(g, g)
      let beside = g.withUnsafeBufferPointer { g in
        u.withUnsafeMutableBufferPointer {
          fisher.direction(
            beside: g, products: fisher.window.products(with: g), square: square, into: $0
          ) { _ in }
        }
      }
      check(beside, u, g)
      let slot = try g.withUnsafeBufferPointer {
        try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
      }
      let inserted = u.withUnsafeMutableBufferPointer {
        fisher.direction(forSlot: slot, into: $0) { _ in }
      }
      check(inserted, u, g)
    }
  }

  /// Gradients recur here: either the products equal those of the direction, or they report lost
  /// digits.
  @Test("products that have lost their digits say so", arguments: [1e-2, 1e-6, 1e-10, 1e-12])
  func lostProducts(damping: Double) throws {
    let samples = GradientSamples(d: 5, norm: 2, sharedMean: 0.2)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: m, cells: [0..<2, 2..<5]), damping: damping)
    var lost = 0
    for step in 0..<3 * m {
      let g = samples.gradient(step % 5)
      let slot = try g.withUnsafeBufferPointer {
        try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
      }
      let plan = fisher.direction(forSlot: slot)
      let beside = g.withUnsafeBufferPointer {
        fisher.direction(products: fisher.window.products(with: $0), square: dot(g, g))
      }
      for plan in [plan, beside] {
        var u = [Float](repeating: 0, count: 5)
        u.withUnsafeMutableBufferPointer { u in
          g.withUnsafeBufferPointer { fisher.write(plan, beside: $0, into: u) { _ in } }
        }
        guard plan.products.error <= 1e-6 else {
          lost += 1
          continue
        }
        check(plan.products, u, g)
      }
    }
    #expect(damping > 1e-3 ? lost == 0 : lost > 0)
  }

  /// Compares with a tolerance for rounding each element of the direction to single precision.
  private func check(_ products: DirectionProducts, _ u: [Float], _ g: [Float]) {
    let (square, product) = (dot(u, u), dot(g, u))
    #expect(abs(products.square / square - 1) < 1e-6)
    #expect(abs(products.withGradient - product) < 1e-6 * (square * dot(g, g)).squareRoot())
  }

  // The eigenvalues of orthogonal gradients are their squared lengths; an empty slot has none.
  @Test("the spectrum has the eigenvalues of the filled slots only") func filledSpectrum() throws {
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 4, cells: [0..<5]), damping: 1)
    #expect(fisher.spectrum() == [])
    for (index, length) in [3, 1, 2].enumerated() {
      var gradient = [Float](repeating: 0, count: 5)
      gradient[index + 1] = Float(length)
      _ = try gradient.withUnsafeBufferPointer {
        try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
      }
    }
    #expect(fisher.spectrum() == [1, 4, 9])
  }
}
