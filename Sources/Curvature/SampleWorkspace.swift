import LinearAlgebra

/// Provides the memory that all samples of layers and micro-batches share, one product at a time.
public final class SampleWorkspace<Element: Scalar> {
  /// z, then h [N, S, d_out].
  private(set) var outputs = Buffer<Element>(count: 0)
  /// α [columns].
  private(set) var weights = Buffer<Element>(count: 0)
  /// The memory of convolution kernels, or products of some rows of output gradients with a vector.
  private(set) var scratch = Buffer<Element>(count: 0)

  /// Creates an empty workspace; samples grow it when they are created.
  public init() {}

  /// Grows the buffers; their contents are lost.
  func grow(outputs: Int = 0, weights: Int = 0, scratch: Int = 0) {
    if outputs > self.outputs.count { self.outputs = Buffer(count: outputs) }
    if weights > self.weights.count { self.weights = Buffer(count: weights) }
    if scratch > self.scratch.count { self.scratch = Buffer(count: scratch) }
  }
}

extension KroneckerShape {
  /// Returns true if samples for `operation` are means over the positions.
  func reduces(_ operation: CurvatureOperator) -> Bool {
    operation == .factored && axis == .reduce
  }

  /// Returns the positions stored for each example by samples for `operation`.
  func keptPositions(_ operation: CurvatureOperator) -> Int {
    reduces(operation) ? 1 : positions
  }

  /// Returns the rows of output gradients multiplied at once: products of about 1 MB.
  func outputChunk<Element>(_ type: Element.Type) -> Int {
    max(64, (1 << 20) / (MemoryLayout<Element>.stride * inputs))
  }
}
