import LinearAlgebra

/// Holds the expected outputs of the examples.
public enum Targets<Element: Scalar> {
  /// Index of the expected output of each prediction: [n, positions], each from 0 to below
  /// `outputCount`; 0 or 1 for a single output.
  case classes(UnsafeBufferPointer<Int32>)
  /// Expected values of the outputs: [n, positions, outputCount].
  case values(UnsafeBufferPointer<Element>)
}

/// Describes a pass in training: batch-norms use the examples' own statistics, and dropouts drop.
public struct TrainingPass<Element: Scalar> {
  /// [s]; receives the means and variances (over count − 1) of this pass's examples, laid out like
  /// the running statistics.
  public let statistics: UnsafeMutableBufferPointer<Element>
  /// Seed of the dropouts, which depend on it, the step and the example's place in the batch alone.
  public let seed: UInt64
  /// Step of the run, from 0.
  public let step: Int
  /// Place in the batch of the pass's first example.
  public let firstExample: Int

  /// Creates a pass.
  ///
  /// - Parameters:
  ///   - statistics: [s], overwritten.
  ///   - firstExample: place in the batch of the pass's first example.
  public init(
    statistics: UnsafeMutableBufferPointer<Element>, seed: UInt64, step: Int, firstExample: Int
  ) {
    self.statistics = statistics
    self.seed = seed
    self.step = step
    self.firstExample = firstExample
  }
}
