/// Selects the type of the numbers in stored rows.
public enum RowType: String, CaseIterable, Codable, Sendable {
  case float32
  /// The upper half of a `Float`: its exponent, and 8 of its 24 binary digits.
  case bfloat16
  case float64
  /// Integers q from −127 to 127 with a scale for each row: x ≈ scale·q, scale = max |x|/127,
  /// rounded up to 16 binary digits. Rounded to nearest, ties to even.
  case int8

  /// Bytes of one number.
  public var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    case .float64: 8
    case .int8: 1
    }
  }

  /// True if rows have a scale beside their numbers.
  package var isScaled: Bool { self == .int8 }

  /// Returns the types among `types(for:)` that round each number by itself.
  package static func unscaledTypes<Element: Scalar>(for scalar: Element.Type) -> [RowType] {
    types(for: scalar).filter { !$0.isScaled }
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
    case .int8: .int8
    }
  }
}
