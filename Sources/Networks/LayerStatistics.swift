import LinearAlgebra

/// What a backward pass knows of a linear layer, a convolution, a projection of attention or an
/// embedding, from which Kronecker-factored curvature is made: the weight's gradient is the sum over
/// examples and positions of output gradient times input.
///
///     N examples, S positions that share the weight: 1 for a plain linear layer, of a sequence, of a
///     convolution's windows
///
/// Martens and Grosse, 2015; with the shared axis S kept, Eschenhagen et al., arXiv 2311.00636.
public struct LayerStatistics<Element: Scalar> {
  /// The weight's index in the layout's tensors.
  public let weight: Int
  /// N
  public let examples: Int
  /// S
  public let positions: Int
  /// X [N, S, inputs], the same in every column.
  public let inputs: LayerInputs<Element>
  /// Which of the pass's vectors ▲ has been propagated back.
  public let column: Int
  /// (∂f/∂Y)ᵀ▲ [N, S, outputs]; empty where none has been.
  public let outputGradients: UnsafeBufferPointer<Element>
}

/// What a backward pass knows of a normalisation layer: of each example the gradient of γ and β, from
/// which the layer's small block or its diagonal is made.
public struct NormalizationStatistics<Element: Scalar> {
  /// γ's index in the layout's tensors; β is the next.
  public let weight: Int
  /// Which of the vectors ▲ has been propagated back.
  public let column: Int
  /// [N, γ then β]
  public let gradients: UnsafeBufferPointer<Element>
  /// N
  public let examples: Int
}
