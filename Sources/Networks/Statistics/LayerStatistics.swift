import LinearAlgebra

/// Holds the data of a backward pass from which Kronecker-factored curvature of a weight is
/// computed.
///
/// The weight belongs to a linear layer, a convolution, a projection of attention or an embedding.
/// Its gradient is the sum over examples and positions of output gradient times input.
///
///     N examples
///     S positions that share the weight: 1 for a plain linear layer, otherwise those of a sequence
///       or of a convolution's windows
///
/// Martens and Grosse, 2015; with the shared axis S kept, Eschenhagen et al., arXiv 2311.00636.
public struct LayerStatistics<Element: Scalar> {
  /// The weight's index in the layout's tensors.
  public let weight: Int
  /// Index of its first element in the parameters; for one group of a convolution's outputs, of the
  /// group's first element.
  public let first: Int
  /// N
  public let examples: Int
  /// S
  public let positions: Int
  /// X [N, S, inputs], the same in every column.
  public let inputs: LayerInputs<Element>
  /// Index of the vector ▲ that has been propagated back.
  public let column: Int
  /// (∂f/∂Y)ᵀ▲ [N, S, outputs]; empty if no vector has been propagated back.
  public let outputGradients: UnsafeBufferPointer<Element>
}

/// Holds each example's gradient of a parameter block, from which the block or its diagonal is
/// computed.
public struct BlockStatistics<Element: Scalar> {
  /// The index of the block's first tensor in the layout's tensors.
  public let weight: Int
  /// Its first element's index in the parameters.
  public let first: Int
  /// Index of the vector ▲ that has been propagated back.
  public let column: Int
  /// [N, elements of the block]
  public let gradients: UnsafeBufferPointer<Element>
  /// N
  public let examples: Int
}

/// Receives the data for curvature in each backward pass that it is passed to.
public struct LayerCollector<Element: Scalar> {
  let weights: (LayerStatistics<Element>) -> Void
  let blocks: ((BlockStatistics<Element>) -> Void)?

  /// Creates a collector.
  ///
  /// - Parameters:
  ///   - weights: receives each weight with Kronecker factors, before its layer's backward call.
  ///   - blocks: receives each parameter block; nil if their gradients are not needed.
  public init(
    weights: @escaping (LayerStatistics<Element>) -> Void,
    blocks: ((BlockStatistics<Element>) -> Void)? = nil
  ) {
    self.weights = weights
    self.blocks = blocks
  }
}

/// Passes a layer's statistics to a collector.
struct LayerView<Element: Scalar> {
  let collector: LayerCollector<Element>
  let call: LayerCall<Element>
  /// Index of the layer's first tensor; `parameter` is that of its first parameter.
  let tensor: Int
  let parameter: Int
  let column: Int
  let x: UnsafePointer<Element>
  let y: UnsafePointer<Element>
  /// ∂L/∂y; nil if no vector has been propagated back.
  let dy: UnsafePointer<Element>?
  /// Memory of `statisticsCount` elements per example, for this call alone.
  let memory: () -> UnsafeMutablePointer<Element>

  /// Passes the statistics of a weight to the collector.
  ///
  /// - Parameters:
  ///   - offset: offset of the weight's first element from the layer's first parameter.
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

  /// Passes the statistics of a block of `count` parameters to the collector, if it takes blocks.
  ///
  /// - Parameters:
  ///   - index: index of its first tensor among the layer's; `offset` is that of its first element.
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
