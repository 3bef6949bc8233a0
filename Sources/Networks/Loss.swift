import LinearAlgebra

/// Selects the loss that training minimises, as a mean over examples and positions.
public enum Loss: Sendable, Equatable {
  /// −Σ_c q_c log softmax(z)_c with q = (1 − labelSmoothing)·onehot + labelSmoothing/classes.
  case crossEntropy(labelSmoothing: Double = 0)
  /// Σ_o (z_o − t_o)² / outputs; t is the target's values, the label's unit vector, or the label
  /// itself for a single output.
  case meanSquaredError
  /// −Σ_o (t_o log σ(z_o) + (1 − t_o) log(1 − σ(z_o))) / outputs with t as above.
  case binaryCrossEntropy

  /// True if the loss is the negative logarithm of a probability.
  public var isInNats: Bool { self != .meanSquaredError }

  /// Returns the sum over the predictions; writes the gradient of `scale` times that sum.
  func callAsFunction<Element: Scalar>(
    predictions: Int, outputs: Int, _ x: UnsafePointer<Element>, _ targets: Targets<Element>,
    scale: Element, gradient: UnsafeMutablePointer<Element>
  ) -> Double {
    let labels: UnsafePointer<Int32>?
    let values: UnsafePointer<Element>?
    switch targets {
    case .classes(let classes): (labels, values) = (classes.baseAddress, nil)
    case .values(let numbers): (labels, values) = (nil, numbers.baseAddress)
    }
    switch self {
    case .crossEntropy(let smoothing):
      guard let labels else { preconditionFailure("cross-entropy with values for targets") }
      return Element.crossEntropy(
        examples: predictions, classes: outputs, x, labels: labels, smoothing: smoothing,
        scale: scale, gradient: gradient)
    case .meanSquaredError:
      return Element.squaredError(
        examples: predictions, outputs: outputs, x, labels: labels, values: values, scale: scale,
        gradient: gradient)
    case .binaryCrossEntropy:
      return Element.binaryCrossEntropy(
        examples: predictions, outputs: outputs, x, labels: labels, values: values, scale: scale,
        gradient: gradient)
    }
  }
}
