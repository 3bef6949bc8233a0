import LinearAlgebra

extension InputFile {
  /// Fills `numbers` with floating-point numbers of `type` that begin at byte `offset`; F64 is
  /// rounded to a narrower scalar, all others are exact.
  package func read<Element: Scalar>(
    at offset: Int, type: TensorType, into numbers: UnsafeMutableBufferPointer<Element>
  ) throws(InputError) {
    precondition(type.isFloatingPoint, "numbers of type \(type.rawValue)")
    if type == TensorType(Element.self) {
      return try read(at: offset, into: UnsafeMutableRawBufferPointer(numbers))
    }
    // Pieces that stay in a core's cache until they are converted.
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
  /// The type that holds a scalar's numbers.
  public init<Element: Scalar>(_ scalar: Element.Type) {
    self = scalar.holdsDoubles ? .float64 : .float32
  }

  /// As many numbers of this type as `numbers` has places.
  ///
  /// - Parameter stored: aligned as the type asks for.
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

  /// Without the library call that `Float(Float16)` is on CPUs without an instruction for it.
  private static func float(ofHalf bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7fff) << 13
    // The exponent's bias is 15 for 127, and all ones stay all ones.
    let rebiased = magnitude &+ 112 << 23
    let isSpecial = magnitude >= 31 << 23
    let normal = isSpecial ? rebiased &+ 112 << 23 : rebiased
    // Below the smallest exponent: a sum with 2⁻¹⁴ is exact.
    let small = (Float(bitPattern: magnitude | 113 << 23) - 0x1p-14).bitPattern
    let result = magnitude < 1 << 23 ? small : normal
    return Float(bitPattern: UInt32(bits & 0x8000) << 16 | result)
  }
}

extension UnsafeBufferPointer where Element: Scalar {
  /// The first number that is infinite or none; nil where all are finite.
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

/// - Parameter exponents: the bits of a number's exponent.
@inline(__always)
private func allFinite<Word: FixedWidthInteger & UnsignedInteger>(
  _ numbers: UnsafeRawBufferPointer, exponents: Word
) -> Bool {
  numbers.withMemoryRebound(to: Word.self) { words in
    // The first bit of a sum is set where the exponent is all ones: one pass without branches.
    let unit: Word = 1 << exponents.trailingZeroBitCount
    var marks: Word = 0
    for word in words { marks |= (word & exponents) &+ unit }
    return marks.leadingZeroBitCount > 0
  }
}
