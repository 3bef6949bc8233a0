import Curvature
import LinearAlgebra
import MPI

/// Generates random gradients with entries from [−1, 1): fast, and nearly orthogonal.
package struct RandomGradients {
  private var state: UInt64

  package init(rank: Int = 0) { state = UInt64(rank + 1) &* 0x9E37_79B9_7F4A_7C15 }

  package mutating func next<Element: Scalar>(_ gradient: UnsafeMutableBufferPointer<Element>) {
    for i in gradient.indices {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      gradient[i] = Element(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
  }
}

extension DampedFisher {
  /// Fills the empty slots with random gradients, so that steps can be timed. Their Gram matrix is
  /// not computed: they are nearly orthogonal if they are fewer than the coordinates.
  ///
  /// - Parameters:
  ///   - scale: multiplies the gradients. If it is negligible in K + mλI, S stays positive definite
  ///     whatever else the window holds.
  ///   - total: returns the sum over the whole of d of a number for this slice.
  package func fill(
    from random: inout RandomGradients, scale: Double = 1, total: (Double) throws -> Double
  ) throws {
    let gradient = Buffer<Element>(count: window.sliceCount)
    let g = UnsafeBufferPointer(gradient.all)
    while window.filled < window.capacity {
      random.next(gradient.all)
      for i in gradient.all.indices { gradient.pointer[i] *= Element(scale) }
      window.stage(gradient.all)
      var products = [Double](repeating: 0, count: window.width(inserting: true))
      products[window.oldest] = try total(MixedPrecision.dot(g, g))
      try insert(g, products: products)
    }
    withExtendedLifetime(gradient) {}
  }
}

extension ShardedMFAC: WindowedOptimizer {
  public var filled: Int { fisher.window.filled }

  public func spectrum() -> [Double] { fisher.spectrum() }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func fillWindow(scale: Double, on world: Communicator) throws {
    isFilledAtRandom = true
    var random = RandomGradients(rank: world.rank)
    try named {
      try fisher.fill(from: &random, scale: scale) { try world.allGather($0).reduce(0, +) }
    }
  }
}
