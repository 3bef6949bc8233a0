import Foundation
import Support

/// Returns `Σ Jᵀ Λ J` from rows of Jacobian matrices, as a matrix [d, d].
///
/// - Parameters:
///   - jacobians: of each example [outputs, d], the outputs of all its positions.
///   - hessians: Λ of each example [outputs, outputs].
public func denseGaussNewton(
  jacobians: [[[Double]]], hessians: [DenseMatrix], factor: Double
) -> DenseMatrix {
  let d = jacobians[0][0].count
  var result = DenseMatrix(rows: d, columns: d)
  for (rows, hessian) in zip(jacobians, hessians) {
    let jacobian = DenseMatrix(rows: rows.count, columns: d) { rows[$0][$1] }
    let product = jacobian.transposed * (hessian * jacobian)
    for i in result.values.indices { result.values[i] += factor * product.values[i] }
  }
  return result
}

/// Hessians of a prediction's loss by the outputs, before any division.
public enum OutputHessian {
  /// Returns diag(p) − p pᵀ with the softmax p of z.
  public static func crossEntropy(_ z: [Double]) -> DenseMatrix {
    let exponentials = z.map { exp($0) }
    let p = exponentials.map { $0 / exponentials.reduce(0, +) }
    return DenseMatrix(rows: z.count, columns: z.count) { i, j in
      (i == j ? p[i] : 0) - p[i] * p[j]
    }
  }

  /// Returns the Hessian of half the squared error, the unit matrix.
  public static func squaredError(_ z: [Double]) -> DenseMatrix {
    DenseMatrix(rows: z.count, columns: z.count) { $0 == $1 ? 1 : 0 }
  }

  /// Returns diag(σ(z)(1 − σ(z))).
  public static func binaryCrossEntropy(_ z: [Double]) -> DenseMatrix {
    DenseMatrix(rows: z.count, columns: z.count) { i, j in
      let p = 1 / (1 + exp(-z[i]))
      return i == j ? p * (1 - p) : 0
    }
  }
}

/// Returns the derivative of `f` by each element of x, from differences of f at four places near x,
/// with an error of O(step⁴). Row i holds ∂f/∂xᵢ.
public func differences(
  of f: ([Double]) -> [Double], at x: [Double], step: Double
) -> [[Double]] {
  x.indices.map { i in
    func value(_ distance: Double) -> [Double] {
      var moved = x
      moved[i] += distance
      return f(moved)
    }
    let (near, nearBack) = (value(step), value(-step))
    let (far, farBack) = (value(2 * step), value(-2 * step))
    return near.indices.map {
      (8 * (near[$0] - nearBack[$0]) - (far[$0] - farBack[$0])) / (12 * step)
    }
  }
}

extension DenseMatrix {
  /// Returns the Kronecker product, with blocks bᵢⱼ·a.
  public static func kronecker(_ b: DenseMatrix, _ a: DenseMatrix) -> DenseMatrix {
    DenseMatrix(rows: b.rows * a.rows, columns: b.columns * a.columns) { i, j in
      b[i / a.rows, j / a.columns] * a[i % a.rows, j % a.columns]
    }
  }

  /// Returns A + σI.
  public func shifted(by sigma: Double) -> DenseMatrix {
    DenseMatrix(rows: rows, columns: columns) { self[$0, $1] + ($0 == $1 ? sigma : 0) }
  }

  public var inverse: DenseMatrix {
    let columns = (0..<rows).map { column in
      solve((0..<rows).map { $0 == column ? 1 : 0 })
    }
    return DenseMatrix(rows: rows, columns: rows) { columns[$1][$0] }
  }

  public var trace: Double { (0..<rows).reduce(0) { $0 + self[$1, $1] } }

  /// ln det A of a positive definite matrix, by elimination.
  public var logDeterminant: Double {
    var a = self
    var sum = 0.0
    for k in 0..<rows {
      sum += log(a[k, k])
      for i in k + 1..<max(rows, k + 1) {
        let factor = a[i, k] / a[k, k]
        for j in k..<columns { a[i, j] -= factor * a[k, j] }
      }
    }
    return sum
  }

  /// Returns ‖self − b‖/‖b‖ in Frobenius norms.
  public func relativeDistance(to b: DenseMatrix) -> Double {
    relativeError(values, to: b.values)
  }
}
