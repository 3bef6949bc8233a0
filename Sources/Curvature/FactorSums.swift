import LinearAlgebra

/// Sums v vᵀ over rows v that arrive a few at a time, or only the diagonal of v vᵀ.
package final class FactorSums<Element: Scalar> {
  package let shape: FactorShape
  /// [order, order], lower triangle only; or the diagonal [order].
  private let matrix: Buffer<Element>
  private var isEmpty = true

  /// Creates an empty sum.
  package init(_ shape: FactorShape) {
    self.shape = shape
    let order = shape.order
    switch shape.form {
    case .dense: matrix = Buffer(count: order * order)
    case .diagonal: matrix = Buffer(count: order)
    case .unit: matrix = Buffer(count: 0)
    }
  }

  /// Adds `factor`·Σ v vᵀ.
  ///
  /// - Parameter rows: [count, order]
  package func add(_ rows: UnsafePointer<Element>, count: Int, factor: Double = 1) {
    let order = shape.order
    switch shape.form {
    case .dense:
      Element.addGram(
        rows: count, columns: order, alpha: Element(factor), rows, beta: isEmpty ? 0 : 1,
        to: matrix.pointer)
    case .diagonal:
      let zeros = Buffer<Element>(count: order)
      let (sums, squares) = (Buffer<Double>(count: order), Buffer<Double>(count: order))
      Element.batchGradientSums(
        rows: count, channels: order, rows, mean: zeros.pointer, rows, y: nil, masked: nil,
        sums: sums.pointer, products: squares.pointer)
      for i in 0..<order {
        matrix.pointer[i] =
          (isEmpty ? 0 : matrix.pointer[i]) + Element(factor * squares.pointer[i])
      }
    case .unit: return
    }
    isEmpty = false
  }

  /// Writes the packed sum and resets it to zero.
  ///
  /// - Parameter packed: [shape.packedCount]
  package func finish(into packed: UnsafeMutablePointer<Element>) {
    if isEmpty {
      packed.update(repeating: 0, count: shape.packedCount)
    } else if shape.form == .dense {
      Element.packLower(
        order: shape.order, matrix.pointer, stride: shape.order, places: nil, into: packed)
    } else {
      packed.update(from: matrix.pointer, count: shape.packedCount)
    }
    isEmpty = true
  }
}
