import LinearAlgebra

extension InputFile {
  /// Fills `numbers` with the floating-point numbers of `type` from byte `offset` on. F64 is
  /// rounded to a narrower scalar; all other types are exact.
  package func read<Element: Scalar>(
    at offset: Int, type: TensorType, into numbers: UnsafeMutableBufferPointer<Element>
  ) throws(InputError) {
    precondition(type.isFloatingPoint, "numbers of type \(type.rawValue)")
    if type == TensorType(Element.self) {
      return try read(at: offset, into: UnsafeMutableRawBufferPointer(numbers))
    }
    // Each piece stays in the core's cache until it is converted.
    let piece = 1 << 13
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(piece, numbers.count) * type.byteCount, alignment: 64)
    defer { bytes.deallocate() }
    for start in stride(from: 0, to: numbers.count, by: piece) {
      let part = numbers[start..<min(start + piece, numbers.count)]
      let size = part.count * type.byteCount
      try read(
        at: offset + start * type.byteCount,
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]))
      type.convert(
        UnsafeRawPointer(bytes.baseAddress!), into: UnsafeMutableBufferPointer(rebasing: part))
    }
  }
}

extension TensorType {
  /// Returns the type that stores a scalar's numbers.
  public init<Element: Scalar>(_ scalar: Element.Type) {
    self = scalar.holdsDoubles ? .float64 : .float32
  }

  /// Converts stored numbers of this type, as many as `numbers` holds.
  ///
  /// - Parameter stored: aligned for the type.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func convert<Element: Scalar>(
    _ stored: UnsafeRawPointer, into numbers: UnsafeMutableBufferPointer<Element>
  ) {
    guard let result = numbers.baseAddress else { return }
    let count = numbers.count
    switch self {
    case .float64:
      let x = stored.assumingMemoryBound(to: Double.self)
      for i in 0..<count { result[i] = Element(x[i]) }
    case .float32:
      let x = stored.assumingMemoryBound(to: Float.self)
      for i in 0..<count { result[i] = Element(x[i]) }
    case .bfloat16:
      let x = stored.assumingMemoryBound(to: UInt16.self)
      for i in 0..<count { result[i] = Element(Float(bitPattern: UInt32(x[i]) << 16)) }
    case .float16:
      let x = stored.assumingMemoryBound(to: UInt16.self)
      for i in 0..<count { result[i] = Element(Self.float(ofHalf: x[i])) }
    default: preconditionFailure("numbers of type \(rawValue)")
    }
  }

  /// Converts a half-precision number. `Float(Float16)` is a library call on CPUs without the
  /// instruction.
  private static func float(ofHalf bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7fff) << 13
    // The exponent's bias is 15 instead of 127, and an exponent of all ones stays all ones.
    let rebiased = magnitude &+ 112 << 23
    let isSpecial = magnitude >= 31 << 23
    let normal = isSpecial ? rebiased &+ 112 << 23 : rebiased
    // Subnormal numbers: the subtraction of 2⁻¹⁴ is exact.
    let small = (Float(bitPattern: magnitude | 113 << 23) - 0x1p-14).bitPattern
    let result = magnitude < 1 << 23 ? small : normal
    return Float(bitPattern: UInt32(bits & 0x8000) << 16 | result)
  }
}

extension UnsafeBufferPointer where Element: Scalar {
  /// Index of the first infinity or NaN; nil if all numbers are finite.
  package var firstNonFinite: Int? {
    @specialized(where Element == Float)
    @specialized(where Element == Double)
    get {
      let bytes = UnsafeRawBufferPointer(self)
      let areFinite =
        Element.holdsDoubles
        ? allFinite(bytes, exponents: Double.infinity.bitPattern)
        : allFinite(bytes, exponents: Float.infinity.bitPattern)
      return areFinite ? nil : firstIndex { !$0.isFinite }
    }
  }
}

/// Returns true if all numbers are finite.
///
/// - Parameter exponents: mask of the exponent bits.
@inline(__always)
private func allFinite<Word: FixedWidthInteger & UnsignedInteger>(
  _ numbers: UnsafeRawBufferPointer, exponents: Word
) -> Bool {
  numbers.withMemoryRebound(to: Word.self) { words in
    // Adding 1 to an exponent of all ones carries into the first bit: one pass without branches.
    let unit: Word = 1 << exponents.trailingZeroBitCount
    var marks: Word = 0
    for word in words { marks |= (word & exponents) &+ unit }
    return marks.leadingZeroBitCount > 0
  }
}
