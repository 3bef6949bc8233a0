import Curvature
import LinearAlgebra
import Reference
import Support
import Testing

/// Compares windows and directions of double-precision gradients with dense matrices, to their last
/// digits.
@Suite struct DoublePrecisionTests {
  static let forms = [
    WindowForm(type: .float64), WindowForm(type: .float64, density: 0.3),
    WindowForm(type: .float32), WindowForm(type: .bfloat16, density: 0.2),
  ]

  private func cells(_ d: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: d, by: size).map { $0..<min($0 + size, d) }
  }

  /// Returns a gradient with digits that single precision does not hold.
  private func gradient(_ samples: GradientSamples, _ index: Int) -> [Double] {
    zip(samples.gradient(index), samples.gradient(index + 1000)).map {
      Double($0) + 1e-9 * Double($1)
    }
  }

  private func stage(_ gradient: [Double], in window: GradientWindow<Double>) -> [Double] {
    var staged = gradient
    staged.withUnsafeMutableBufferPointer { window.stage($0) }
    return staged
  }

  private func insert(
    _ gradient: [Double], into fisher: DampedFisher<Double>
  ) throws -> (stored: [Double], slot: Int) {
    let staged = stage(gradient, in: fisher.window)
    let slot = try staged.withUnsafeBufferPointer {
      try fisher.insert($0, products: fisher.window.products(with: $0, inserting: true))
    }
    return (staged, slot)
  }

  private func direction(_ fisher: DampedFisher<Double>, slot: Int) -> [Double] {
    var result = [Double](repeating: 0, count: fisher.window.sliceCount)
    result.withUnsafeMutableBufferPointer { fisher.direction(forSlot: slot, into: $0) }
    return result
  }

  /// Covers cells of one coordinate and of none, and a window that fills up and wraps around.
  @Test(
    "directions, products and spectra are exact for the stored rows",
    arguments: forms, [1, 4, 11])
  func storedRows(form: WindowForm, capacity: Int) throws {
    let (d, damping) = (33, 1.0)
    let samples = GradientSamples(d: d, norm: 2, sharedMean: 0.3)
    for cells in [cells(d, size: 1), cells(d, size: 16), [0..<5, 5..<5, 5..<26, 26..<33]] {
      let fisher = DampedFisher<Double>(
        window: GradientWindow(capacity: capacity, cells: cells, form: form), damping: damping)
      var rows: [[Double]] = []
      for step in 0..<15 {
        let (stored, slot) = try insert(gradient(samples, step), into: fisher)
        if slot == rows.count { rows.append([]) }
        rows[slot] = stored
        let dense = denseFisher(rows: rows, capacity: capacity, damping: damping)
        // The condition is at most 5.
        #expect(relativeError(direction(fisher, slot: slot), to: dense.solve(stored)) < 1e-13)
      }
      let dense = denseFisher(rows: rows, capacity: capacity, damping: damping)
      let x = gradient(samples, 100)
      var result = [Double](repeating: 0, count: d)
      x.withUnsafeBufferPointer { x in
        result.withUnsafeMutableBufferPointer {
          fisher.inverseProduct(x, products: fisher.window.products(with: x), into: $0)
        }
      }
      #expect(relativeError(result, to: dense.solve(x)) < 1e-13)

      // Outside the window: the result equals that of a window with one gradient more.
      let square = x.reduce(0) { $0 + $1 * $1 }
      let beside = denseFisher(rows: rows + [x], capacity: capacity, damping: damping).solve(x)
      x.withUnsafeBufferPointer { x in
        result.withUnsafeMutableBufferPointer {
          _ = fisher.direction(
            beside: x, products: fisher.window.products(with: x), square: square, into: $0
          ) { _ in }
        }
      }
      #expect(relativeError(result, to: beside) < 1e-13)
    }
  }

  /// A window of single precision would have an error of at least 1e-8.
  @Test("rows of double precision keep all digits") func doubleDigits() throws {
    let samples = GradientSamples(d: 7, norm: 2, sharedMean: 0.2)
    for damping in [1e-3, 1] {
      let fisher = DampedFisher<Double>(
        window: GradientWindow(
          capacity: 4, cells: cells(7, size: 3), form: WindowForm(type: .float64)),
        damping: damping)
      var rows = [[Double]](repeating: [], count: 4)
      for step in 0..<9 {
        let x = gradient(samples, step)
        let (stored, slot) = try insert(x, into: fisher)
        #expect(stored == x)
        rows[slot] = x
      }
      for slot in 0..<4 {
        let truth = exactDirection(rows: rows, slot: slot, capacity: 4, damping: damping)
        // The condition is at most 4/λ.
        #expect(relativeError(direction(fisher, slot: slot), to: truth) < 1e-13 / min(damping, 1))
      }
    }
  }

  /// The stored row plus the carried remainder equals the gradient plus the previous remainder, to
  /// the bit.
  @Test(
    "no part of a gradient is lost in a rounded or sparse row",
    arguments: RowType.unscaledTypes(for: Double.self), [1, 7, 16])
  func lossless(type: RowType, size: Int) throws {
    let d = 50
    let samples = GradientSamples(d: d, norm: 3, sharedMean: 0.5)
    let cells = cells(d, size: size)
    let fisher = DampedFisher<Double>(
      window: GradientWindow(
        capacity: 3, cells: cells, form: WindowForm(type: type, density: 0.1)),
      damping: 1)
    var carried = [Double](repeating: 0, count: d)
    for step in 0..<20 {
      let sum = zip(gradient(samples, step), carried).map { $0 + $1 }
      var expected = [Double](repeating: 0, count: d)
      for cell in cells {
        for place in placesOfLargest((cell.count + 9) / 10, of: Array(sum[cell])) {
          let value = sum[cell.lowerBound + place]
          expected[cell.lowerBound + place] =
            switch type {
            case .float32: rounded(value, toDigits: 24)
            case .bfloat16: rounded(value, toDigits: 8)
            case .float64, .int8: value
            }
        }
      }
      let (stored, _) = try insert(gradient(samples, step), into: fisher)
      #expect(stored == expected)
      carried = zip(sum, stored).map { $0 - $1 }
    }
  }

  /// A window in other columns has the same rows there, and the same products.
  @Test("a window over other columns holds the same numbers", arguments: forms)
  func otherColumns(form: WindowForm) throws {
    let d = 33
    let samples = GradientSamples(d: d, norm: 2, sharedMean: 0.3)
    let window = GradientWindow<Double>(capacity: 4, cells: cells(d, size: 16), form: form)
    let fisher = DampedFisher(window: window, damping: 1)
    for step in 0..<6 { _ = try insert(gradient(samples, step), into: fisher) }
    // The odd columns, and a column of zeros at the end.
    let odd = [0..<8, 8..<16, 16..<17]
    let columns = stride(from: 1, to: 32, by: 2).map(Int32.init) + [-1]
    let other = GradientWindow(window, cells: odd, columns: columns)
    var x = [Double](repeating: 0, count: d)
    for (i, column) in columns.enumerated() where column >= 0 { x[Int(column)] = Double(i + 1) / 7 }
    let y = (0..<17).map { Double($0 + 1) / 7 }
    let products = x.withUnsafeBufferPointer { window.products(with: $0) }
    let others = y.withUnsafeBufferPointer { other.products(with: $0) }
    if !form.isSparse { #expect(relativeError(others, to: products) < 1e-14) }
    #expect(others.contains { $0 != 0 })
    let gram = Buffer<Double>(count: 16)
    window.writeProducts(ofCell: 0, into: gram.all)
    let whole = fisher.gram
    for cell in 1..<3 {
      let part = Buffer<Double>(count: 16)
      window.writeProducts(ofCell: cell, into: part.all)
      for i in 0..<16 { gram.pointer[i] += part.pointer[i] }
    }
    for i in 0..<4 {
      for j in 0...i { #expect(abs(gram.pointer[i * 4 + j] - whole[i * 4 + j]) < 1e-14) }
    }
  }

  @Test("a window's counted bytes follow from its form") func windowBytes() {
    let cells = [0..<16, 16..<17]
    func bytes(_ form: WindowForm) -> Int {
      MemoryCount.of { GradientWindow<Double>(capacity: 3, cells: cells, form: form) }.total
    }
    // The sums of the largest cell are included.
    #expect(bytes(WindowForm(type: .float64)) == 8 * 3 * 32 + 8 * 16)
    // Carried remainders, current and next, and the entries of a cell are included.
    #expect(
      bytes(WindowForm(type: .float64, density: 0.5))
        == 3 * 9 * (8 + 2) + 2 * 8 * 17 + 8 * (8 + 2) + 8 * 16)
  }
}
