/// The type of the numbers in stored rows.
public enum RowType: String, CaseIterable, Codable, Sendable {
  case float32
  /// The upper half of a `Float`: its exponent, and 8 of its 24 digits.
  case bfloat16
  case float64

  /// Bytes of one number.
  public var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    case .float64: 8
    }
  }

  /// The types in which rows of a scalar are worth storing: those that take no more memory than
  /// itself.
  public static func types<Element: Scalar>(for scalar: Element.Type) -> [RowType] {
    allCases.filter { $0.bytes <= MemoryLayout<Element>.size }
  }

  /// The same type outside of memory.
  var element: StoredArray.Element {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float64: .float64
    }
  }
}
