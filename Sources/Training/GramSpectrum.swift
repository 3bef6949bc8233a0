import Glibc

/// What is told of the eigenvalues of the Gram matrix K = GGᵀ of a window's gradients.
package struct GramSpectrum: Sendable, Equatable {
  package let largest: Double
  /// The mean of the two in the middle, where there are two; nil where it is made of rounding.
  package let median: Double?
  /// Nil where it is made of rounding.
  package let smallest: Double?
  /// `exp(−Σ pₖ ln pₖ)`, pₖ the share of an eigenvalue in their sum: from 1, all gradients on one
  /// line, to their number, all orthogonal and of the same length. Nil where all are zero.
  ///
  /// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", 2007.
  package let effectiveRank: Double?

  /// - Parameter eigenvalues: in increasing order, at least one.
  package init(_ eigenvalues: [Double]) {
    let count = eigenvalues.count
    largest = eigenvalues[count - 1]
    // Each carries a rounding of K's norm.
    let rounding = Double(count) * eigenvalues[count - 1].magnitude * .ulpOfOne
    func known(_ value: Double) -> Double? { value > rounding ? value : nil }
    median = known((eigenvalues[(count - 1) / 2] + eigenvalues[count / 2]) / 2)
    smallest = known(eigenvalues[0])
    // K has none below zero but by rounding.
    let positive = eigenvalues.filter { $0 > 0 }
    let sum = positive.reduce(0, +)
    let entropy = positive.reduce(0) { $0 - $1 / sum * log($1 / sum) }
    effectiveRank = sum > 0 ? exp(entropy) : nil
  }
}
