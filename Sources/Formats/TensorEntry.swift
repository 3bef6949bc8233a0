/// Lists the element types of safetensors files.
public enum TensorType: String, CaseIterable, Sendable {
  case bool = "BOOL"
  case uint8 = "U8"
  case int8 = "I8"
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  case float8E8M0 = "F8_E8M0"
  case uint16 = "U16"
  case int16 = "I16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case uint32 = "U32"
  case int32 = "I32"
  case float32 = "F32"
  case uint64 = "U64"
  case int64 = "I64"
  case float64 = "F64"
  case complex64 = "C64"

  /// True for the types that can be read as a scalar.
  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// The names of these types, for messages.
  static let floatingPointNames = "F16, BF16, F32 or F64"

  /// Size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .bool, .uint8, .int8, .float8E4M3, .float8E5M2, .float8E8M0: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .complex64: 8
    }
  }
}

/// Describes one tensor of a safetensors header.
public struct TensorEntry: Equatable, Sendable {
  public let name: String
  public let dtype: TensorType
  /// Dimensions, the last one varying fastest.
  public let shape: [Int]
  /// The tensor's bytes, counted from the start of the data.
  public let range: Range<Int>

  public var count: Int { range.count / dtype.byteCount }
}
