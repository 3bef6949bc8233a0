import Curvature
import LinearAlgebra
import Reference
import Support
import Testing

/// Tests a changing λ, gradients outside the window, and cells of any lengths.
@Suite struct DampingTests {
  private func fisher(_ m: Int, _ cells: [Range<Int>], damping: Double) -> DampedFisher<Float> {
    DampedFisher<Float>(window: GradientWindow(capacity: m, cells: cells), damping: damping)
  }

  private func insert(_ gradient: [Float], into fisher: DampedFisher<Float>) throws {
    _ = try gradient.withUnsafeBufferPointer {
      try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
    }
  }

  private func direction(_ fisher: DampedFisher<Float>) -> [Double] {
    var result = [Float](repeating: 0, count: fisher.window.sliceCount)
    result.withUnsafeMutableBufferPointer {
      fisher.direction(forSlot: fisher.window.newest, into: $0)
    }
    return result.map(Double.init)
  }

  private func direction(_ fisher: DampedFisher<Float>, beside x: [Float]) -> [Double] {
    var result = x
    result.withUnsafeMutableBufferPointer { x in
      let g = UnsafeBufferPointer(x)
      let square = g.reduce(0) { $0 + Double($1) * Double($1) }
      fisher.direction(
        beside: g, products: fisher.window.products(with: g), square: square, into: x
      ) { _ in }
    }
    return result.map(Double.init)
  }

  @Test(
    "the direction of a gradient outside the window equals the dense solution",
    arguments: [0, 3, 6])
  func besideAgainstDense(count: Int) throws {
    let samples = GradientSamples(d: 9, norm: 2, sharedMean: 0.2)
    let fisher = fisher(4, [0..<4, 4..<9], damping: 1e-2)
    for t in 0..<count { try insert(samples.gradient(t), into: fisher) }
    let x = samples.gradient(100)
    let rows = (max(count - 4, 0)..<count).map { samples.gradient($0) } + [x]
    let dense = denseFisher(rows: rows.map { $0.map(Double.init) }, capacity: 4, damping: 1e-2)
    // The result is rounded to single precision.
    #expect(
      relativeError(direction(fisher, beside: x), to: dense.solve(x.map(Double.init))) < 1e-7)
  }

  /// The plain product with F⁻¹, without the gradient itself in F, is longer by orders of magnitude
  /// here. Tests a gradient in the window's span but for rounding, and one far from it.
  @Test(
    "the direction of a gradient outside the window keeps its digits",
    arguments: [1e-8, 1e-6, 1e-4, 1e-2], [false, true])
  func besideDigits(damping: Double, isWithin: Bool) throws {
    let (d, m) = (5000, 64)
    let samples = GradientSamples(d: d, norm: 1, sharedMean: 0.5)
    let fisher = fisher(
      m, stride(from: 0, to: d, by: 96).map { $0..<min($0 + 96, d) }, damping: damping)
    for t in 0..<m { try insert(samples.gradient(t), into: fisher) }
    let mixed = zip(samples.gradient(5), samples.gradient(9)).map { 0.5 * $0 - 0.25 * $1 }
    let x = isWithin ? mixed : samples.gradient(1000)
    let rows = (0..<m).map { samples.gradient($0).map(Double.init) } + [x.map(Double.init)]
    let exact = exactDirection(rows: rows, slot: m, capacity: m, damping: damping)
    #expect(relativeError(direction(fisher, beside: x), to: exact) < 1e-6)
  }

  @Test("the factor follows a damping that jumps") func jumpingDamping() throws {
    let samples = GradientSamples(d: 30, norm: 2, sharedMean: 0.2)
    let fisher = fisher(4, [0..<16, 16..<30], damping: 1)
    for (t, damping) in [1, 0.5, 0.5, 4, 1e-3, 1e-3, 1e-3, 0.7].enumerated() {
      fisher.wantedDamping = damping
      try insert(samples.gradient(t), into: fisher)
      let rows = (max(t - 3, 0)...t).map { samples.gradient($0).map(Double.init) }
      let dense = denseFisher(rows: rows, capacity: 4, damping: damping)
      #expect(fisher.damping == damping)
      #expect(relativeError(direction(fisher), to: dense.solve(rows.last!)) < 1e-7, "step \(t)")
    }
    // The damping also changes without an insertion.
    fisher.wantedDamping = 3
    try fisher.refactorIfDampingChanged()
    let rows = (4..<8).map { samples.gradient($0).map(Double.init) }
    let dense = denseFisher(rows: rows, capacity: 4, damping: 3)
    #expect(relativeError(direction(fisher), to: dense.solve(rows.last!)) < 1e-7)
  }

  @Test("the first factor has the requested damping", arguments: [1, 4])
  func firstDamping(m: Int) throws {
    let fisher = fisher(m, [0..<3], damping: 1)
    fisher.wantedDamping = 1.05
    try insert([1, 2, 3], into: fisher)
    #expect(fisher.damping == 1.05)
  }

  /// A small drift takes effect when the factor is due for recomputation, or at a difference of a
  /// tenth.
  @Test("a drifting damping causes few factorizations") func driftingDamping() throws {
    let samples = GradientSamples(d: 30, norm: 2, sharedMean: 0.2)
    let m = 16
    let fisher = fisher(m, [0..<30], damping: 1)
    var factors = 0
    for t in 0..<400 {
      fisher.wantedDamping = 1 + 1e-3 * Double(t)
      let before = fisher.damping
      try insert(samples.gradient(t), into: fisher)
      if fisher.damping != before { factors += 1 }
      #expect(fisher.wantedDamping / fisher.damping <= 1.1)
      // S uses the factor's own λ, to the last digit.
      let rows = (max(t - m + 1, 0)...t).map { samples.gradient($0).map(Double.init) }
      let exact = exactDirection(
        rows: rows, slot: rows.count - 1, capacity: m, damping: fisher.damping)
      #expect(relativeError(direction(fisher), to: exact) < 1e-7)
    }
    #expect(factors > 10 && factors < 80, "\(factors)")
  }

  @Test("the mean diagonal counts the gradients in the window only") func meanDiagonal() throws {
    let fisher = fisher(4, [0..<2], damping: 1)
    #expect(fisher.meanDiagonal(inserting: 12) == 3)
    for (t, x) in [1, 2, 3, 4, 5].enumerated() {
      try insert([Float(x), 0], into: fisher)
      let squares = (max(t - 3, 0)...t).map { Double(($0 + 1) * ($0 + 1)) }
      let mean = squares.reduce(0, +) / Double(squares.count) / 4
      #expect(abs(fisher.meanDiagonal(inserting: nil) - mean) < 1e-15)
    }
    // 100 replaces 2·2.
    #expect(fisher.meanDiagonal(inserting: 100) == (100 + 9 + 16 + 25) / 16.0)
  }

  /// A cell of any length is padded with columns of zeros.
  @Test("uneven and empty cells give the direction of one whole cell") func unevenCells() throws {
    let samples = GradientSamples(d: 60, norm: 2, sharedMean: 0.2)
    let kept = [0..<16, 16..<16, 16..<19, 19..<20, 20..<60]
    let uneven = fisher(3, kept, damping: 0.1)
    let plain = fisher(3, [0..<60], damping: 0.1)
    for t in 0..<5 {
      try insert(samples.gradient(t), into: uneven)
      try insert(samples.gradient(t), into: plain)
    }
    // The sums are in another order, and the result is rounded to single precision.
    #expect(relativeError(direction(uneven), to: direction(plain)) < 1e-7)
    // The memory is the rows and the sums of the largest cell.
    let largest = kept.map(\.count).max()!
    #expect(
      MemoryCount.of { GradientWindow<Float>(capacity: 3, cells: kept) }.total
        == 4 * 3 * (16 + 0 + 16 + 16 + 48) + 8 * largest)
  }

  @Test("windows of 1 to 4096 slots give the exact direction", arguments: [1, 3, 1000, 4096])
  func anyCapacity(m: Int) throws {
    let samples = GradientSamples(d: 20, norm: 1, sharedMean: 0.2)
    let fisher = fisher(m, [0..<16, 16..<20], damping: 1e-2)
    for t in 0..<5 { try insert(samples.gradient(t), into: fisher) }
    let rows = (max(5 - m, 0)..<5).map { samples.gradient($0).map(Double.init) }
    let exact = exactDirection(rows: rows, slot: rows.count - 1, capacity: m, damping: 1e-2)
    #expect(relativeError(direction(fisher), to: exact) < 1e-7)
  }

  /// Uses 5 parameters and 16 gradients of norm 1e4 that recur, and one of them again outside the
  /// window.
  @Test("near the window's span the refined direction keeps its digits")
  func besideNearSpan() throws {
    let (d, m, damping) = (5, 16, 1e-4)
    let samples = GradientSamples(d: d, norm: 1e4, sharedMean: 0.3)
    let fisher = fisher(m, [0..<2, 2..<5], damping: damping)
    for t in 0..<m { try insert(samples.gradient(t % 6), into: fisher) }
    #expect(fisher.factorError > 1e-5)
    let x = samples.gradient(3)
    let rows = (0..<m).map { samples.gradient($0 % 6) } + [x]
    let exact = denseFisher(
      rows: rows.map { $0.map(Double.init) }, capacity: m, damping: damping
    ).solve(x.map(Double.init))

    let plain = relativeError(direction(fisher, beside: x), to: exact)
    var rest = x
    let (solution, refined) = rest.withUnsafeMutableBufferPointer { rest in
      let solution = fisher.writeRest(
        of: UnsafeBufferPointer(rest),
        products: fisher.window.products(with: UnsafeBufferPointer(rest)),
        into: rest)
      let r = UnsafeBufferPointer(rest)
      let square = r.reduce(0) { $0 + Double($1) * Double($1) }
      let plan = fisher.direction(
        refining: solution, products: fisher.window.products(with: r), square: square)
      var u = [Float](repeating: 0, count: d)
      u.withUnsafeMutableBufferPointer { fisher.write(plan, beside: r, into: $0) { _ in } }
      return (solution, u.map(Double.init))
    }
    #expect(solution.count == m)
    // S's factor alone gives a direction of this accuracy; the form above is about as far off as
    // its bound.
    #expect(relativeError(refined, to: exact) < fisher.factorError)
    #expect(plain < 100 * fisher.factorError)
  }
}
