/// Describes a symmetric factor: a Kronecker factor, or the block of a normalization layer.
public struct FactorShape: Sendable, Equatable {
  /// Selects which elements may differ from zero.
  public enum Form: Sendable {
    /// All elements.
    case dense
    /// The diagonal: the factor of tokens with each position by itself, whose unit vectors do not
    /// overlap, or the diagonal kept of a block.
    case diagonal
    /// The unit matrix, which needs no storage.
    case unit
  }

  /// The number of rows.
  public let order: Int
  public let form: Form

  /// Creates the shape of a factor with `order` rows.
  public init(order: Int, form: Form = .dense) {
    self.order = order
    self.form = form
  }

  /// The length of the packed form: the lower triangle by rows, element (i, j ≤ i) at
  /// `i(i + 1)/2 + j`; or the diagonal.
  public var packedCount: Int {
    switch form {
    case .dense: order * (order + 1) / 2
    case .diagonal: order
    case .unit: 0
    }
  }
}

/// Selects how the axis that shares a layer's weight is treated: S positions of an example.
///
/// Eschenhagen, Immer, Turner, Schneider and Hennig, "Kronecker-factored approximate curvature for
/// modern neural network architectures", arXiv 2311.00636.
public enum SharedAxis: String, CaseIterable, Codable, Sendable {
  /// Each position counts as an example; exact for deep linear networks with a separate loss for
  /// each position.
  case expand
  /// Inputs and gradients are summed over the positions first; exact for deep linear networks that
  /// sum or average the positions before the loss.
  case reduce
}

/// Describes a layer's Kronecker factors: the curvature of its matrix V [d_out, d_in + bias],
/// row-major, is B ⊗ A.
///
///     x [N, S, d_in], a 1 appended for a bias     g [N, S, d_out], by column c of ▲
///
///     expand  A = R Σₙ Σₛ x xᵀ              B = 1/(N S) Σₙ Σₛ Σ_c g gᵀ
///     reduce  A = R Σₙ (Σₛ x)(Σₛ x)ᵀ        B = 1/(N S²) Σₙ Σ_c (Σₛ g)(Σₛ g)ᵀ
///
/// with R the loss's reduction factor and N the examples of the *global* batch. Martens and Grosse,
/// 2015; for convolutions Grosse and Martens, 2016.
public struct KroneckerShape: Sendable, Equatable {
  /// d_in
  public let inputs: Int
  /// True if a 1 is appended to x.
  public let hasBias: Bool
  /// d_out
  public let outputs: Int
  /// S
  public let positions: Int
  /// The treatment of the S positions.
  public let axis: SharedAxis
  /// A [d_in + bias]
  public let a: FactorShape
  /// B [d_out]
  public let b: FactorShape
  /// True for a table of embeddings: the layer's matrix is [d_in, d_out], and its curvature A ⊗ B.
  public let isTable: Bool

  /// Derives the shapes of A and B.
  ///
  /// - Parameter isForwardOnly: true makes B the unit matrix.
  public init(
    inputs: Int, hasBias: Bool, outputs: Int, positions: Int, axis: SharedAxis,
    isTable: Bool = false, isForwardOnly: Bool = false
  ) {
    precondition(!(isTable && hasBias), "a table of embeddings with a bias")
    self.inputs = inputs
    self.hasBias = hasBias
    self.outputs = outputs
    self.positions = positions
    self.axis = axis
    self.isTable = isTable
    a = FactorShape(
      order: inputs + (hasBias ? 1 : 0), form: isTable && axis == .expand ? .diagonal : .dense)
    b = FactorShape(order: outputs, form: isForwardOnly ? .unit : .dense)
  }

  /// Creates the shape of parameters whose gradients are multiplied without factors. A is their
  /// block R Σ v vᵀ [order], or its diagonal, and B the unit matrix of order 1.
  public init(blockOf order: Int, isDiagonal: Bool) {
    (inputs, hasBias, outputs, positions, axis, isTable) = (order, false, 1, 1, .expand, false)
    a = FactorShape(order: order, form: isDiagonal ? .diagonal : .dense)
    b = FactorShape(order: 1, form: .unit)
  }

  /// Returns the factor that turns the sums over the global batch into A.
  public func scaleOfA(reductionFactor: Double) -> Double { reductionFactor }

  /// Returns the factor that turns the sums over the global batch of N examples into B. With
  /// `reduce` the sums contain products of means over the positions, and so S² already.
  public func scaleOfB(examples: Int) -> Double {
    1 / Double(axis == .expand ? examples * positions : examples)
  }
}
