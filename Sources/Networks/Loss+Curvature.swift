import Glibc
import LinearAlgebra

extension Loss {
  /// Σ uᵀ Λ v over the predictions, Λ being the Hessian by their outputs: with u = J v and v = J w of
  /// two directions, and times the reduction factor R, their product vᵀ G w with the Gauss–Newton
  /// matrix. Not divided by anything.
  ///
  /// - Parameters:
  ///   - z: the outputs [n, positions, outputs], and u and v tangents of the same shape.
  public func curvatureProduct<Element: Scalar>(
    outputs: Int, _ z: UnsafeBufferPointer<Element>, _ u: UnsafeBufferPointer<Element>,
    _ v: UnsafeBufferPointer<Element>
  ) -> Double {
    precondition(
      z.count % outputs == 0 && u.count == z.count && v.count == z.count,
      "\(z.count) outputs, tangents of \(u.count) and \(v.count)")
    switch self {
    case .meanSquaredError: return Element.dot(count: z.count, u.baseAddress!, v.baseAddress!)
    case .binaryCrossEntropy:
      return z.indices.reduce(0) { sum, i in
        // σ(1 − σ), which loses no digits at either end.
        let small = exp(-Double(z[i]).magnitude)
        return sum + small / ((1 + small) * (1 + small)) * Double(u[i]) * Double(v[i])
      }
    case .crossEntropy:
      return stride(from: 0, to: z.count, by: outputs).reduce(0) { sum, start in
        let range = start..<start + outputs
        let largest = range.reduce(-Double.infinity) { max($0, Double(z[$1])) }
        var (total, uMean, vMean) = (0.0, 0.0, 0.0)
        for i in range {
          let p = exp(Double(z[i]) - largest)
          total += p
          uMean += p * Double(u[i])
          vMean += p * Double(v[i])
        }
        (uMean, vMean) = (uMean / total, vMean / total)
        // The covariance of u and v under the softmax.
        return sum
          + range.reduce(0) {
            $0 + exp(Double(z[$1]) - largest) * (Double(u[$1]) - uMean) * (Double(v[$1]) - vMean)
          } / total
      }
    }
  }
}
