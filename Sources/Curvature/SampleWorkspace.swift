import LinearAlgebra

/// Memory that products with the samples of layers and micro-batches take turns with.
public final class SampleWorkspace<Element: Scalar> {
  /// z, then h [N, S, d_out]
  private(set) var outputs = Buffer<Element>(count: 0)
  /// α [columns]
  private(set) var weights = Buffer<Element>(count: 0)
  /// Of a convolution's kernels; or of some rows of output gradients their products with a vector.
  private(set) var scratch = Buffer<Element>(count: 0)

  /// Grows with the samples that are made with it.
  public init() {}

  /// Makes room; what is there is lost.
  func grow(outputs: Int = 0, weights: Int = 0, scratch: Int = 0) {
    if outputs > self.outputs.count { self.outputs = Buffer(count: outputs) }
    if weights > self.weights.count { self.weights = Buffer(count: weights) }
    if scratch > self.scratch.count { self.scratch = Buffer(count: scratch) }
  }
}

extension KroneckerShape {
  /// Whether samples for `operation` are means over the positions.
  func reduces(_ operation: CurvatureOperator) -> Bool {
    operation == .factored && axis == .reduce
  }

  /// Of an example, in samples for `operation`.
  func keptPositions(_ operation: CurvatureOperator) -> Int {
    reduces(operation) ? 1 : positions
  }

  /// Rows of output gradients that are multiplied at once: products of about 1 MB.
  func outputChunk<Element>(_ type: Element.Type) -> Int {
    max(64, (1 << 20) / (MemoryLayout<Element>.stride * inputs))
  }
}
