import CKernels

/// Names an elementwise function between two layers.
public enum Activation: String, CaseIterable, Sendable {
  /// max(x, 0)
  case relu
  case tanh
  /// 1/(1 + e⁻ˣ)
  case sigmoid
  /// x·Φ(x) with the normal distribution function Φ, exact (not the tanh approximation).
  case gelu
  /// x/(1 + e⁻ˣ)
  case silu

  /// True if the derivative is computed from the output; false if from the input.
  public var derivesFromOutput: Bool { self != .gelu && self != .silu }

  var code: Int32 {
    switch self {
    case .relu: Int32(CK_RELU)
    case .tanh: Int32(CK_TANH)
    case .sigmoid: Int32(CK_SIGMOID)
    case .gelu: Int32(CK_GELU)
    case .silu: Int32(CK_SILU)
    }
  }
}
