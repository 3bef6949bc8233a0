import LinearAlgebra

extension GradientRows {
  /// Writes `G_b x` of a block; x covers the slice from `start` on.
  ///
  /// - Parameters:
  ///   - start: the coordinate of the slice at which x begins.
  ///   - products: shape [m], overwritten.
  public func writeProducts(
    ofBlock index: Int, with x: UnsafeBufferPointer<Double>, from start: Int = 0,
    into products: UnsafeMutablePointer<Double>
  ) {
    let range = blocks[index]
    let local = UnsafeBufferPointer(
      rebasing: x[range.lowerBound - start..<range.upperBound - start])
    switch numbers(ofBlock: index) {
    case .single(let all): multiply(all, by: local, into: products)
    case .double(let all): multiply(all, by: local, into: products)
    }
  }

  @inline(__always)
  private func multiply<Element: BinaryFloatingPoint>(
    _ all: UnsafePointer<Element>, by x: UnsafeBufferPointer<Double>,
    into products: UnsafeMutablePointer<Double>
  ) {
    for row in 0..<count {
      var sum = 0.0
      for k in 0..<x.count { sum += Double(all[row * x.count + k]) * x[k] }
      products[row] = sum
    }
  }

  /// Returns `Σ_k G_ki²` for the columns i of a block.
  public func squareSums(ofBlock index: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: blocks[index].count)
    sums.withUnsafeMutableBufferPointer { sums in
      switch numbers(ofBlock: index) {
      case .single(let all): addSquares(all, to: sums)
      case .double(let all): addSquares(all, to: sums)
      }
    }
    return sums
  }

  @inline(__always)
  private func addSquares<Element: BinaryFloatingPoint>(
    _ all: UnsafePointer<Element>, to sums: UnsafeMutableBufferPointer<Double>
  ) {
    let n = sums.count
    for row in 0..<count {
      for k in 0..<n { sums[k] += Double(all[row * n + k]) * Double(all[row * n + k]) }
    }
  }

  /// Writes `G_bᵀc` of a block, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [m].
  ///   - sums: shape [width of the block], overwritten.
  public func combine(
    _ coefficients: [Double], block index: Int, into sums: UnsafeMutableBufferPointer<Double>
  ) {
    sums.update(repeating: 0)
    switch numbers(ofBlock: index) {
    case .single(let all): add(all, times: coefficients, to: sums)
    case .double(let all): add(all, times: coefficients, to: sums)
    }
  }

  @inline(__always)
  private func add<Element: BinaryFloatingPoint>(
    _ all: UnsafePointer<Element>, times coefficients: [Double],
    to sums: UnsafeMutableBufferPointer<Double>
  ) {
    let n = sums.count
    for row in 0..<count {
      let (start, c) = (row * n, coefficients[row])
      for k in 0..<n { sums[k] += c * Double(all[start + k]) }
    }
  }

  /// Returns `G_b x` of a block, with x and the sums in twice the digits of double precision.
  ///
  /// - Parameter start: the coordinate of the slice at which x begins.
  func products(
    ofBlock index: Int, with x: ExtendedNumbers, from start: Int
  ) -> ExtendedNumbers {
    let range = blocks[index]
    var products = ExtendedNumbers(zeros: count)
    guard !range.isEmpty else { return products }
    x.high.withUnsafeBufferPointer { high in
      x.low.withUnsafeBufferPointer { low in
        let place = range.lowerBound - start
        let (high, low) = (high.baseAddress! + place, low.baseAddress! + place)
        switch numbers(ofBlock: index) {
        case .single(let all):
          ExtendedNumbers.dots(all, rows: count, columns: range.count, high, low, into: &products)
        case .double(let all):
          ExtendedNumbers.dots(all, rows: count, columns: range.count, high, low, into: &products)
        }
      }
    }
    return products
  }

  /// Returns `G_bᵀc` of a block, with c and the sums in twice the digits of double precision; shape
  /// [width].
  func combination(_ coefficients: ExtendedNumbers, block index: Int) -> ExtendedNumbers {
    var sums = ExtendedNumbers(zeros: blocks[index].count)
    switch numbers(ofBlock: index) {
    case .single(let all): sums.add(all, rows: count, times: coefficients)
    case .double(let all): sums.add(all, rows: count, times: coefficients)
    }
    return sums
  }
}
