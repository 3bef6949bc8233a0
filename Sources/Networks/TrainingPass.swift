import LinearAlgebra

/// What an example should give.
public enum Targets<Element: Scalar> {
  /// At each prediction one of the outputs: [n, positions], each from 0 to below `outputCount`, or to
  /// 1 for a single output.
  case classes(UnsafeBufferPointer<Int32>)
  /// The outputs themselves: [n, positions, outputCount].
  case values(UnsafeBufferPointer<Element>)
}

/// A pass in training: batch-norms take the examples' own statistics, and dropouts drop.
public struct TrainingPass<Element: Scalar> {
  /// [s]: becomes the means and variances (over count − 1) of this pass's examples, in the places of
  /// the running ones.
  public let statistics: UnsafeMutableBufferPointer<Element>
  /// What is dropped is a function of these and of the example's place in the batch alone.
  public let seed: UInt64
  /// Of the run, from 0.
  public let step: Int
  /// The place in the batch of the pass's first example.
  public let firstExample: Int

  /// - Parameters:
  ///   - statistics: [s], overwritten.
  ///   - firstExample: the place in the batch of the pass's first example.
  public init(
    statistics: UnsafeMutableBufferPointer<Element>, seed: UInt64, step: Int, firstExample: Int
  ) {
    self.statistics = statistics
    self.seed = seed
    self.step = step
    self.firstExample = firstExample
  }
}

/// The two matrices of a linear layer, a convolution, a projection of attention or an embedding, from
/// which Kronecker-factored curvature is made: the weight's gradient is the sum over examples and
/// positions of output gradient times input.
///
///   N examples, S positions that share the weight: 1 for a plain linear layer, of a sequence, of a
///   convolution's windows
///
/// Martens and Grosse, 2015; with the shared axis S kept, Eschenhagen et al., 2023.
public struct LayerStatistics<Element: Scalar> {
  /// What the layer got.
  public enum Inputs {
    /// X [N, S, inputs], the inputs in the order of the weight's second to last dimensions.
    case dense(UnsafeBufferPointer<Element>)
    /// Tokens [N, S], standing for unit vectors.
    case tokens(UnsafeBufferPointer<Element>)
  }

  /// The weight's index in the layout's tensors.
  public let weight: Int
  /// Which examples of the call these are. A convolution gives them in several pieces.
  public let examples: Range<Int>
  /// S
  public let positions: Int
  /// What the layer got, of all examples and positions.
  public let inputs: Inputs
  /// ∂L/∂Y [N, S, outputs]
  public let outputGradients: UnsafeBufferPointer<Element>
}
