import Curvature
import LinearAlgebra
import Reference
import Support
import Testing

/// Tests windows that store rounded or sparse gradients: results are exact for the stored rows.
@Suite struct WindowFormTests {
  static let forms = [
    WindowForm(type: .bfloat16), WindowForm(density: 0.3),
    WindowForm(type: .bfloat16, density: 0.2), WindowForm(type: .bfloat16, density: 0.01),
  ]

  private func cells(_ d: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: d, by: size).map { $0..<min($0 + size, d) }
  }

  private func stage(_ gradient: [Float], in window: GradientWindow<Float>) -> [Float] {
    var staged = gradient
    staged.withUnsafeMutableBufferPointer { window.stage($0) }
    return staged
  }

  @discardableResult
  private func insert(
    _ gradient: [Float], into fisher: DampedFisher<Float>
  ) throws -> (stored: [Float], slot: Int) {
    let staged = stage(gradient, in: fisher.window)
    let slot = try staged.withUnsafeBufferPointer {
      try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
    }
    return (staged, slot)
  }

  private func direction(_ fisher: DampedFisher<Float>, slot: Int) -> [Float] {
    var result = [Float](repeating: 0, count: fisher.window.sliceCount)
    result.withUnsafeMutableBufferPointer { fisher.direction(forSlot: slot, into: $0) }
    return result
  }

  /// Covers cells of one coordinate and of none, and a window that fills up and wraps around.
  @Test(
    "the Gram matrix, directions and products are exact for the stored rows",
    arguments: forms, [1, 4, 11])
  func storedRows(form: WindowForm, capacity: Int) throws {
    let d = 33
    let samples = GradientSamples(d: d, norm: 2, sharedMean: 0.3)
    for cells in [cells(d, size: 1), cells(d, size: 16), [0..<5, 5..<5, 5..<26, 26..<33]] {
      let fisher = DampedFisher<Float>(
        window: GradientWindow(capacity: capacity, cells: cells, form: form),
        damping: 0.01)
      var rows: [[Double]] = []
      for step in 0..<15 {
        let (stored, slot) = try insert(samples.gradient(step), into: fisher)
        if slot == rows.count { rows.append([]) }
        rows[slot] = stored.map(Double.init)
        let exact = exactDirection(rows: rows, slot: slot, capacity: capacity, damping: 0.01)
        // The result is rounded to single precision.
        let error = relativeError(direction(fisher, slot: slot).map(Double.init), to: exact)
        #expect(error < 1e-7)
        for (other, row) in rows.enumerated() {
          let product = zip(row, rows[slot]).reduce(0) { $0 + $1.0 * $1.1 }
          // Sums of 33 terms of at most 4.
          #expect(abs(fisher.gram[slot * capacity + other] - product) < 1e-14)
        }
      }
      let x = samples.gradient(100)
      var result = [Float](repeating: 0, count: d)
      x.withUnsafeBufferPointer { x in
        result.withUnsafeMutableBufferPointer {
          fisher.inverseProduct(x, products: fisher.window.products(with: x), into: $0)
        }
      }
      let truth = denseFisher(rows: rows, capacity: capacity, damping: 0.01)
        .solve(x.map(Double.init))
      #expect(relativeError(result.map(Double.init), to: truth) < 1e-7)
    }
  }

  @Test("a window of bfloat16 holds rounded gradients") func roundedGradients() {
    let window = GradientWindow<Float>(
      capacity: 2, cells: cells(50, size: 16), form: WindowForm(type: .bfloat16))
    let gradient = GradientSamples(d: 50, norm: 3, sharedMean: 0).gradient(0)
    #expect(stage(gradient, in: window) == gradient.map(roundedToBFloat16))
  }

  /// The stored row plus the carried remainder equals the gradient plus the previous remainder, to
  /// the bit, in single-precision addition. A gradient that is left out changes neither.
  @Test(
    "no part of a gradient is lost in a rounded or sparse row",
    arguments: RowType.unscaledTypes(for: Float.self), [1, 7, 16])
  func lossless(type: RowType, size: Int) throws {
    let d = 50
    let form = WindowForm(type: type, density: 0.1)
    let samples = GradientSamples(d: d, norm: 3, sharedMean: 0.5)
    let cells = cells(d, size: size)
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 3, cells: cells, form: form), damping: 1)
    var carried = [Float](repeating: 0, count: d)
    for step in 0..<40 {
      if step % 3 == 0 {
        // Staged, but not inserted.
        let broken = stage([Float](repeating: .nan, count: d), in: fisher.window)
        #expect(broken.contains { $0.isNaN })
        _ = stage([Float](repeating: 1e30, count: d), in: fisher.window)
      }
      // The carried remainder alone is stored in the second half.
      let gradient = step < 20 ? samples.gradient(step) : [Float](repeating: 0, count: d)
      let sum = zip(gradient, carried).map { $0 + $1 }
      var expected = [Float](repeating: 0, count: d)
      for cell in cells {
        // A tenth, rounded up.
        let kept = (cell.count + 9) / 10
        for place in placesOfLargest(kept, of: Array(sum[cell])) {
          let value = sum[cell.lowerBound + place]
          expected[cell.lowerBound + place] = type == .float32 ? value : roundedToBFloat16(value)
        }
      }
      let (stored, _) = try insert(gradient, into: fisher)
      #expect(stored == expected)
      carried = zip(sum, stored).map { $0 - $1 }
      for i in 0..<d { #expect(carried[i] + stored[i] == sum[i]) }
    }
    // Everything has been stored: one number a step for the larger cells, digit by digit in
    // bfloat16.
    if type == .float32 { #expect(carried.allSatisfy { $0 == 0 }) }
  }

  /// Invariance: a slice gives the same bits as the whole window, including the choice of entries.
  @Test("a slice gives the same bits as the whole window", arguments: forms)
  func sliceBits(form: WindowForm) throws {
    let d = 1000
    let samples = GradientSamples(d: d, norm: 1, sharedMean: 0.2)
    let from = 3 * 96
    let whole = DampedFisher<Float>(
      window: GradientWindow(capacity: 9, cells: cells(d, size: 96), form: form), damping: 1e-4)
    let part = DampedFisher<Float>(
      window: GradientWindow(capacity: 9, cells: cells(d - from, size: 96), form: form),
      damping: 1e-4)
    var slot = 0
    for step in 0..<12 {
      let gradient = samples.gradient(step)
      let staged = stage(gradient, in: whole.window)
      let ownPart = stage(Array(gradient[from...]), in: part.window)
      #expect(ownPart == Array(staged[from...]))
      try staged.withUnsafeBufferPointer { staged in
        let products = whole.window.products(with: staged, inserting: true)
        slot = try whole.insert(staged, products: products)
        try ownPart.withUnsafeBufferPointer { _ = try part.insert($0, products: products) }
      }
    }
    #expect(direction(part, slot: slot) == Array(direction(whole, slot: slot)[from...]))
  }

  @Test("an empty slice has an empty direction", arguments: forms)
  func emptySlice(form: WindowForm) throws {
    let fisher = DampedFisher<Float>(
      window: GradientWindow(capacity: 2, cells: [], form: form), damping: 1)
    fisher.window.stage(UnsafeMutableBufferPointer(start: nil, count: 0))
    // The products of another rank's columns.
    let slot = try fisher.insert(UnsafeBufferPointer(start: nil, count: 0), products: [4])
    #expect(direction(fisher, slot: slot).isEmpty)
  }

  @Test("a window's counted bytes follow from its form") func windowBytes() {
    let cells = cells(1000, size: 160)  // six of 160 and one of 40
    // Returns the bytes except for the sums of a cell.
    func bytes(_ form: WindowForm) -> Int {
      MemoryCount.of { GradientWindow<Float>(capacity: 10, cells: cells, form: form) }.total
        - 8 * 160
    }
    // Rows are whole runs of sixteen columns.
    #expect(bytes(WindowForm()) == 10 * (960 + 48) * 4)
    #expect(bytes(WindowForm(type: .bfloat16)) == 10 * (960 + 48) * 2)
    // Two entries of each 160 and one of the 40, with their columns; the carried remainder, current
    // and next; and a cell's entries.
    #expect(bytes(WindowForm(density: 0.01)) == 10 * 13 * 6 + 8000 + 2 * 6)
    #expect(bytes(WindowForm(type: .bfloat16, density: 0.01)) == 10 * 13 * 4 + 8000 + 2 * 6)
  }
}
