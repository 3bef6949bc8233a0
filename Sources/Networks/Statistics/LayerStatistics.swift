import LinearAlgebra

/// What a backward pass knows of a weight of a linear layer, a convolution, a projection of
/// attention or an embedding, from which Kronecker-factored curvature is made: the weight's
/// gradient is the sum over examples and positions of output gradient times input.
///
///     N examples, S positions that share the weight: 1 for a plain linear layer, of a sequence, of
///     a convolution's windows
///
/// Martens and Grosse, 2015; with the shared axis S kept, Eschenhagen et al., arXiv 2311.00636.
public struct LayerStatistics<Element: Scalar> {
  /// The weight's index in the layout's tensors.
  public let weight: Int
  /// Its first element's index in the parameters; of one group of a convolution's outputs, the
  /// group's.
  public let first: Int
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

/// What a backward pass knows of a parameter block: each example's gradient of it, from which the
/// block or its diagonal is made.
public struct BlockStatistics<Element: Scalar> {
  /// The index of the block's first tensor in the layout's tensors.
  public let weight: Int
  /// Its first element's index in the parameters.
  public let first: Int
  /// Which of the vectors ▲ has been propagated back.
  public let column: Int
  /// [N, elements of the block]
  public let gradients: UnsafeBufferPointer<Element>
  /// N
  public let examples: Int
}

/// Sees, in each backward pass that it is given to, what curvature is made of.
public struct LayerCollector<Element: Scalar> {
  let weights: (LayerStatistics<Element>) -> Void
  let blocks: ((BlockStatistics<Element>) -> Void)?

  /// - Parameters:
  ///   - weights: sees each weight with Kronecker factors, before its layer's backward call.
  ///   - blocks: sees each parameter block; nil where nobody needs their gradients.
  public init(
    weights: @escaping (LayerStatistics<Element>) -> Void,
    blocks: ((BlockStatistics<Element>) -> Void)? = nil
  ) {
    self.weights = weights
    self.blocks = blocks
  }
}

/// What a layer gives a collector its statistics by.
struct LayerView<Element: Scalar> {
  let collector: LayerCollector<Element>
  let call: LayerCall<Element>
  /// The layer's first tensor and parameter.
  let tensor: Int
  let parameter: Int
  let column: Int
  let x: UnsafePointer<Element>
  let y: UnsafePointer<Element>
  /// ∂L/∂y; nil where no vector has been propagated back.
  let dy: UnsafePointer<Element>?
  /// `statisticsCount` elements an example, for this call alone.
  let memory: () -> UnsafeMutablePointer<Element>

  /// Gives the collector what it sees of a weight.
  ///
  /// - Parameters:
  ///   - offset: of the weight's first element from the layer's first parameter.
  ///   - dy: [N, S, outputs]
  func weight(
    at offset: Int = 0, _ inputs: LayerInputs<Element>, positions: Int, outputs: Int,
    dy: UnsafePointer<Element>?
  ) {
    let rows = call.examples * positions
    collector.weights(
      LayerStatistics(
        weight: tensor, first: parameter + offset, examples: call.examples, positions: positions,
        inputs: inputs, column: column,
        outputGradients: UnsafeBufferPointer(start: dy, count: dy == nil ? 0 : rows * outputs)))
  }

  /// Gives the collector what it sees of a block of `count` parameters, where it wants that.
  ///
  /// - Parameters:
  ///   - index: of its first tensor among the layer's, and `offset` of its first element.
  ///   - fill: writes the gradients of the examples [N, count] from dy.
  func block(
    tensor index: Int = 0, at offset: Int = 0, count: Int,
    _ fill: (UnsafePointer<Element>, UnsafeMutablePointer<Element>) -> Void
  ) {
    guard let blocks = collector.blocks, let dy else { return }
    let memory = memory()
    fill(dy, memory)
    blocks(
      BlockStatistics(
        weight: tensor + index, first: parameter + offset, column: column,
        gradients: UnsafeBufferPointer(start: memory, count: call.examples * count),
        examples: call.examples))
  }
}
