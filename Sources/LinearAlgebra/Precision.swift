/// Selects the precision of a run: its data, parameters, gradients and optimizer.
public enum Precision: String, Codable, CaseIterable, Sendable {
  case float32, float64

  public var scalar: any Scalar.Type {
    switch self {
    case .float32: Float.self
    case .float64: Double.self
    }
  }
}
