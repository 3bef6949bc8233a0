import LinearAlgebra

extension GradientRows {
  /// `G_b x` of a block, of which x is the slice's.
  ///
  /// - Parameter products: shape [m], overwritten.
  public func writeProducts(
    ofBlock index: Int, with x: UnsafeBufferPointer<Double>,
    into products: UnsafeMutablePointer<Double>
  ) {
    let (all, range) = (block(index), blocks[index])
    for row in 0..<count {
      var sum = 0.0
      for k in 0..<range.count {
        sum += Double(all[row * range.count + k]) * x[range.lowerBound + k]
      }
      products[row] = sum
    }
  }

  /// `Σ_k G_ki²` for the columns i of a block.
  public func squareSums(ofBlock index: Int) -> [Double] {
    let (all, n) = (block(index), blocks[index].count)
    var sums = [Double](repeating: 0, count: n)
    for row in 0..<count {
      for k in 0..<n { sums[k] += Double(all[row * n + k]) * Double(all[row * n + k]) }
    }
    return sums
  }

  /// `G_bᵀc` of a block, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [m].
  ///   - sums: shape [width of the block], overwritten.
  public func combine(
    _ coefficients: [Double], block index: Int, into sums: UnsafeMutableBufferPointer<Double>
  ) {
    let (all, n) = (block(index), blocks[index].count)
    sums.update(repeating: 0)
    for row in 0..<count {
      let (start, c) = (row * n, coefficients[row])
      for k in 0..<n { sums[k] += c * Double(all[start + k]) }
    }
  }
}
