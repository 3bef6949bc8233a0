/// Selects the type of the numbers in stored rows.
public enum RowType: String, CaseIterable, Codable, Sendable {
  case float32
  /// The upper half of a `Float`: its exponent, and 8 of its 24 binary digits.
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

  /// Returns the types that suit rows of a scalar: those that take no more memory than the scalar.
  public static func types<Element: Scalar>(for scalar: Element.Type) -> [RowType] {
    allCases.filter { $0.bytes <= MemoryLayout<Element>.size }
  }

  /// The element type of a stored array with these numbers.
  var element: StoredArray.Element {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float64: .float64
    }
  }
}
