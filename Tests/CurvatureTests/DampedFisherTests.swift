import Curvature
import LinearAlgebra
import Reference
import Sharding
import Support
import Testing

@Suite struct DampedFisherTests {
  private func cells(_ d: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: d, by: size).map { $0..<min($0 + size, d) }
  }

  /// Inserts gradients and returns the window's rows in slot order, with the last slot.
  private func insert(
    _ gradients: [[Float]], into fisher: DampedFisher<Float>
  ) throws -> (rows: [[Double]], slot: Int) {
    var rows: [[Double]] = []
    var slot = 0
    for gradient in gradients {
      slot = try gradient.withUnsafeBufferPointer {
        try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
      }
      if slot == rows.count { rows.append([]) }
      rows[slot] = gradient.map(Double.init)
    }
    return (rows, slot)
  }

  private func direction(_ fisher: DampedFisher<Float>, slot: Int) -> [Double] {
    var result = [Float](repeating: 0, count: fisher.window.sliceCount)
    result.withUnsafeMutableBufferPointer { fisher.direction(forSlot: slot, into: $0) }
    return result.map(Double.init)
  }

  // Identity: the Gram form against the d×d matrix and its inverse.
  @Test(
    "the direction of a slot equals the dense d×d solution",
    arguments: [1, 3, 4, 5, 11], [1e-3, 1.0])
  func denseDirection(count: Int, damping: Double) throws {
    let samples = GradientSamples(d: 7, norm: 2, sharedMean: 0.2)
    let window = GradientWindow<Float>(capacity: 4, cells: cells(7, size: 3))
    let fisher = DampedFisher<Float>(window: window, damping: damping)
    let (rows, slot) = try insert((0..<count).map(samples.gradient), into: fisher)
    let dense = denseFisher(rows: rows, capacity: 4, damping: damping)
    for slot in [slot, 0] {
      let truth = dense.solve(rows[slot])
      // The result is rounded to single precision.
      #expect(relativeError(direction(fisher, slot: slot), to: truth) < 1e-7)
      // Checks the reference of the larger cases against the same truth: condition 1e4 at most.
      let exact = exactDirection(rows: rows, slot: slot, capacity: 4, damping: damping)
      #expect(relativeError(exact, to: truth) < 1e-11)
    }
  }

  @Test("F⁻¹x equals the dense d×d solution", arguments: [1e-3, 1.0])
  func denseInverseProduct(damping: Double) throws {
    let samples = GradientSamples(d: 7, norm: 2, sharedMean: 0.2)
    let window = GradientWindow<Float>(capacity: 4, cells: cells(7, size: 3))
    let fisher = DampedFisher<Float>(window: window, damping: damping)
    let (rows, _) = try insert((0..<5).map(samples.gradient), into: fisher)
    let x = samples.gradient(100)
    var result = [Float](repeating: 0, count: 7)
    x.withUnsafeBufferPointer { x in
      let products = fisher.window.products(with: x)
      result.withUnsafeMutableBufferPointer {
        fisher.inverseProduct(x, products: products, into: $0)
      }
    }
    let truth = denseFisher(rows: rows, capacity: 4, damping: damping).solve(x.map(Double.init))
    #expect(relativeError(result.map(Double.init), to: truth) < 1e-7)
  }

  // The published single-precision code loses even the sign of gᵀF⁻¹g at 1e-7 in this case.
  @Test(
    "the direction keeps its digits down to damping 1e-8",
    arguments: [1.0, 10.0], [0, 0.2, 0.9])
  func smallDamping(norm: Double, sharedMean: Double) throws {
    let (d, m) = (20_000, 128)
    let samples = GradientSamples(d: d, norm: norm, sharedMean: sharedMean)
    // A few more than fit, to replace some slots.
    let gradients = (0..<m + 9).map(samples.gradient)
    for damping in [1e-8, 1e-7, 1e-6, 1e-4, 1e-2, 1] {
      let window = GradientWindow<Float>(
        capacity: m,
        cells: (0..<Cells(parameterCount: d).count).map(Cells(parameterCount: d).range))
      let fisher = DampedFisher<Float>(window: window, damping: damping)
      let (rows, slot) = try insert(gradients, into: fisher)
      let truth = exactDirection(rows: rows, slot: slot, capacity: m, damping: damping)
      #expect(relativeError(direction(fisher, slot: slot), to: truth) <= 2e-5)
    }
  }

  // Limits: a window of one gradient, a large damping, an empty slice.
  @Test("a window of one gradient gives the Sherman–Morrison direction")
  func shermanMorrison() throws {
    let gradient = GradientSamples(d: 50, norm: 3, sharedMean: 0).gradient(0)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 1, cells: cells(50, size: 16)), damping: 0.01)
    _ = try insert([gradient], into: fisher)
    let square = gradient.reduce(0) { $0 + Double($1) * Double($1) }
    let truth = gradient.map { Double($0) / (0.01 + square) }
    #expect(relativeError(direction(fisher, slot: 0), to: truth) < 1e-7)
  }

  @Test("with large damping the direction tends to g/λ") func largeDamping() throws {
    let samples = GradientSamples(d: 50, norm: 3, sharedMean: 0.5)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 8, cells: cells(50, size: 16)), damping: 1e9)
    let (rows, slot) = try insert((0..<8).map(samples.gradient), into: fisher)
    let scaled = direction(fisher, slot: slot).map { $0 * 1e9 }
    #expect(relativeError(scaled, to: rows[slot]) < 1e-7)
  }

  @Test("an empty slice has an empty direction and the same coefficients")
  func emptySlice() throws {
    let fisher = DampedFisher<Float>(window: GradientWindow(capacity: 2, cells: []), damping: 1)
    // The products of another rank's columns.
    let slot = try fisher.insert(UnsafeBufferPointer(start: nil, count: 0), products: [4])
    #expect(direction(fisher, slot: slot).isEmpty)
    // A square root adds two roundings.
    #expect(abs(fisher.coefficients(forSlot: slot)[0] - 2.0 / (4 + 2)) < 1e-15)
  }

  // Invariance: a slice of the window gives the same bits as those columns of the whole window.
  @Test("a slice gives the same bits as the whole window") func sliceBits() throws {
    let d = 1000
    let samples = GradientSamples(d: d, norm: 1, sharedMean: 0.2)
    let gradients = (0..<12).map(samples.gradient)
    let whole = DampedFisher<Float>(
      window: GradientWindow(capacity: 8, cells: cells(d, size: 96)), damping: 1e-4)
    let from = 3 * 96
    let part = DampedFisher<Float>(
      window: GradientWindow(capacity: 8, cells: cells(d - from, size: 96)), damping: 1e-4)
    var slot = 0
    for gradient in gradients {
      try gradient.withUnsafeBufferPointer { gradient in
        let products = whole.window.products(with: gradient, inserting: true)
        slot = try whole.insert(gradient, products: products)
        try part.insert(UnsafeBufferPointer(rebasing: gradient[from...]), products: products)
      }
    }
    #expect(direction(part, slot: slot) == Array(direction(whole, slot: slot)[from...]))
  }

  // Failure: equal gradients so large that mλ is below the last place of K.
  @Test("equal gradients with too little damping throw NotPositiveDefinite")
  func hopelessDamping() throws {
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 3, cells: cells(50, size: 16)), damping: 1e-12)
    let gradient = GradientSamples(d: 50, norm: 1e6, sharedMean: 0).gradient(0)
    #expect(throws: NotPositiveDefinite.self) {
      _ = try insert([gradient, gradient, gradient], into: fisher)
    }
  }

  /// Runs 10,000 replacements at a condition of about 3e5, at which a factor itself is accurate to
  /// about 1e-10. Compares the maintained factor with a fresh one, relative to the solution.
  @Test("the maintained factor keeps its digits over 10,000 replacements")
  func manyReplacements() throws {
    let (m, d) = (24, 40)
    let samples = GradientSamples(d: d, norm: 100, sharedMean: 0.99)
    let window = GradientWindow<Float>(capacity: m, cells: cells(d, size: 16))
    let fisher = DampedFisher<Float>(window: window, damping: 1e-7)
    let fresh = CholeskyFactor(capacity: m)
    var worst = 0.0
    for step in 0..<10_000 {
      let (_, slot) = try insertOne(samples.gradient(step % 997), into: fisher)
      guard step > m, step % 37 == 0 else { continue }
      try fresh.factor(
        fisher.gram, stride: m, rows: Array(0..<m), shift: Double(m) * fisher.damping)
      let exact = fresh.solve((0..<m).map { $0 == slot ? Double(m) : 0 })
      worst = max(worst, relativeError(fisher.coefficients(forSlot: slot), to: exact))
    }
    #expect(worst < 1e-9, "\(worst)")
    #expect(worst > 0)
    #expect(fisher.isFactorMaintained)
  }

  /// A factor that has lost digits is detected; from then on S is factored at each insertion.
  @Test("a factor that has lost digits is dropped and S is factored instead")
  func inaccurateFactor() throws {
    let (m, d) = (12, 40)
    let samples = GradientSamples(d: d, norm: 3, sharedMean: 0.3)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: m, cells: cells(d, size: 16)), damping: 1e-3)
    let shift = Double(m) * fisher.damping
    for step in 0..<m { _ = try insertOne(samples.gradient(step), into: fisher) }
    // Imitates rounding that has moved every element in its eighth digit.
    let off = fisher.gram.map { $0 * (1 + 1e-8) }
    try fisher.factor.factor(off, stride: m, rows: Array(0..<m), shift: shift)
    #expect(fisher.isFactorMaintained)
    let fresh = CholeskyFactor(capacity: m)
    for step in m..<4 * m {
      let (_, slot) = try insertOne(samples.gradient(step), into: fisher)
      // The factor has room for eight more rows than the window; it is checked once they are used
      // up.
      #expect(fisher.isFactorMaintained == (step < m + 7))
      guard !fisher.isFactorMaintained, step > m + 7 else { continue }
      try fresh.factor(fisher.gram, stride: m, rows: Array(0..<m), shift: shift)
      let exact = fresh.solve((0..<m).map { $0 == slot ? Double(m) : 0 })
      // The two factor the same matrix in another order of rows, at a condition of at most 1e4.
      #expect(relativeError(fisher.coefficients(forSlot: slot), to: exact) < 1e-11)
    }
  }

  private func insertOne(
    _ gradient: [Float], into fisher: DampedFisher<Float>
  ) throws -> (products: [Double], slot: Int) {
    try gradient.withUnsafeBufferPointer {
      let products = fisher.window.products(with: $0, inserting: true)
      return (products, try fisher.insert($0, products: products))
    }
  }
}
