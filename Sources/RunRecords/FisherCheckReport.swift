/// The JSON that `swift-mfac-fisher check` writes; shows how far K-FAC's blocks are from exact
/// ones.
package struct FisherCheckReport: Codable {
  /// Measures how far a matrix K is from an exact block F; null if one of them is zero.
  package struct Distance: Codable {
    /// ‖K − F‖/‖F‖
    package let relative: JSONNumber
    /// ⟨K, F⟩/(‖K‖‖F‖), which does not depend on scale.
    package let cosine: JSONNumber
    package let isExact: Bool
    /// True if `relative` is within the rounding errors of its computation; not written to the
    /// file.
    package var isUnresolved = false

    package init(relative: Double, cosine: Double, isUnresolved: Bool) {
      (self.relative, self.cosine) = (JSONNumber(relative), JSONNumber(cosine))
      (isExact, self.isUnresolved) = (relative <= 1e-8, isUnresolved)
    }

    enum CodingKeys: CodingKey { case relative, cosine, isExact }
  }

  /// Holds the distances for a layer's two settings: `expand` and `reduce`, or `diagonal` and
  /// `block` for a normalization.
  package struct Settings: Codable {
    package let expand: Distance?
    package let reduce: Distance?
    package let diagonal: Distance?
    package let block: Distance?

    package init(_ first: Distance, _ second: Distance, isNormalization: Bool) {
      (expand, reduce) = isNormalization ? (nil, nil) : (first, second)
      (diagonal, block) = isNormalization ? (first, second) : (nil, nil)
    }
  }

  package struct Layer: Codable {
    package let name: String
    package let parameters: Int
    /// S
    package let positions: Int
    package let isNormalization: Bool
    /// The setting that `auto` selects; nil if both are the same.
    package let auto: String?
    package let type2: Settings?
    package let monteCarlo: Settings?
    package let empirical: Settings
    /// Distance of the exact empirical Fisher block from the exact Gauss–Newton block.
    package let empiricalFromGaussNewton: Distance?

    package init(
      name: String, parameters: Int, positions: Int, isNormalization: Bool, auto: String?,
      type2: Settings?, monteCarlo: Settings?, empirical: Settings,
      empiricalFromGaussNewton: Distance?
    ) {
      (self.name, self.parameters, self.positions) = (name, parameters, positions)
      (self.isNormalization, self.auto) = (isNormalization, auto)
      (self.type2, self.monteCarlo, self.empirical) = (type2, monteCarlo, empirical)
      self.empiricalFromGaussNewton = empiricalFromGaussNewton
    }
  }

  package let model: String
  package let weights: String?
  package let data: String
  package let parameters: Int
  package let examples: Int
  package let positions: Int
  package let outputs: Int
  package let fisherSamples: Int
  package let seed: UInt64
  package let layers: [Layer]
  /// Tensors for which K-FAC has no curvature.
  package let outside: [String]
  /// Distance of M-FAC's Fisher matrix from the empirical one, by the type of the window's rows.
  package let mfac: [String: JSONNumber]

  package init(
    model: String, weights: String?, data: String, parameters: Int, examples: Int, positions: Int,
    outputs: Int, fisherSamples: Int, seed: UInt64, layers: [Layer], outside: [String],
    mfac: [String: JSONNumber]
  ) {
    (self.model, self.weights, self.data) = (model, weights, data)
    (self.parameters, self.examples, self.positions) = (parameters, examples, positions)
    (self.outputs, self.fisherSamples, self.seed) = (outputs, fisherSamples, seed)
    (self.layers, self.outside, self.mfac) = (layers, outside, mfac)
  }
}
