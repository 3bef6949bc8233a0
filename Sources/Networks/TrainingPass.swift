import LinearAlgebra

/// What an example should give.
public enum Targets<Element: Scalar> {
  /// At each prediction one of the outputs: [n, positions], each from 0 to below `outputCount`, or
  /// to 1 for a single output.
  case classes(UnsafeBufferPointer<Int32>)
  /// The outputs themselves: [n, positions, outputCount].
  case values(UnsafeBufferPointer<Element>)
}

/// A pass in training: batch-norms take the examples' own statistics, and dropouts drop.
public struct TrainingPass<Element: Scalar> {
  /// [s]: becomes the means and variances (over count − 1) of this pass's examples, in the places
  /// of the running ones.
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
