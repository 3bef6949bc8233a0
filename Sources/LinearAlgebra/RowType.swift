/// The type of the numbers in stored rows.
public enum RowType: String, CaseIterable, Codable, Sendable {
  case float32
  /// The upper half of a `Float`: its exponent, and 8 of its 24 digits.
  case bfloat16

  /// Of one number.
  public var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    }
  }
}
