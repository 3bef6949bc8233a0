/// A number that is written as null if it is not finite; null is read as NaN.
package struct JSONNumber: Codable, Equatable {
  package let value: Double

  /// The number, or nil if it is not finite.
  package var finite: Double? { value.isFinite ? value : nil }

  package init(_ value: Double) { self.value = value }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    value = container.decodeNil() ? .nan : try container.decode(Double.self)
  }
}
