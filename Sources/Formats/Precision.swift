/// The precision of the numbers that networks are computed in.
public enum Precision: String, CaseIterable, Codable, Sendable {
  case float32
  case float64
}
