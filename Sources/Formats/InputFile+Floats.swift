extension InputFile {
  /// Fills `floats` with floating-point numbers of `type` that begin at byte `offset`; F64 is
  /// rounded, all others are exact.
  package func read(
    at offset: Int, type: TensorType, into floats: UnsafeMutableBufferPointer<Float>
  ) throws(InputError) {
    precondition(type.isFloatingPoint, "numbers of type \(type.rawValue)")
    if type == .float32 { return try read(at: offset, into: UnsafeMutableRawBufferPointer(floats)) }
    // Pieces that stay in a core's cache until they are converted.
    let piece = 1 << 13
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(piece, floats.count) * type.byteCount, alignment: 64)
    defer { bytes.deallocate() }
    for start in stride(from: 0, to: floats.count, by: piece) {
      let part = floats[start..<min(start + piece, floats.count)]
      let size = part.count * type.byteCount
      try read(
        at: offset + start * type.byteCount,
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]))
      type.convert(
        UnsafeRawPointer(bytes.baseAddress!), into: UnsafeMutableBufferPointer(rebasing: part))
    }
  }
}

extension InputFile {
  /// Fills `doubles` with floating-point numbers of `type` that begin at byte `offset`; all are
  /// exact.
  package func read(
    at offset: Int, type: TensorType, into doubles: UnsafeMutableBufferPointer<Double>
  ) throws(InputError) {
    guard type != .float64 else {
      return try read(at: offset, into: UnsafeMutableRawBufferPointer(doubles))
    }
    let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: doubles.count)
    defer { floats.deallocate() }
    try read(at: offset, type: type, into: floats)
    for i in doubles.indices { doubles[i] = Double(floats[i]) }
  }
}

extension TensorType {
  /// As many numbers of this type as `floats` has places, in single precision.
  ///
  /// - Parameter numbers: aligned as the type asks for.
  func convert(_ numbers: UnsafeRawPointer, into floats: UnsafeMutableBufferPointer<Float>) {
    guard let result = floats.baseAddress else { return }
    let count = floats.count
    switch self {
    case .float64:
      let x = numbers.assumingMemoryBound(to: Double.self)
      for i in 0..<count { result[i] = Float(x[i]) }
    case .float32:
      result.update(from: numbers.assumingMemoryBound(to: Float.self), count: count)
    case .bfloat16:
      let x = numbers.assumingMemoryBound(to: UInt16.self)
      for i in 0..<count { result[i] = Float(bitPattern: UInt32(x[i]) << 16) }
    case .float16:
      let x = numbers.assumingMemoryBound(to: UInt16.self)
      for i in 0..<count { result[i] = Self.float(ofHalf: x[i]) }
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

  /// A number of this type becomes the one nearest to `value`; where two are as near, the even one.
  ///
  /// - Parameter place: aligned as the type asks for.
  func store(_ value: Float, at place: UnsafeMutableRawPointer) {
    switch self {
    case .float64: place.storeBytes(of: Double(value), as: Double.self)
    case .float32: place.storeBytes(of: value, as: Float.self)
    case .float16: place.storeBytes(of: Float16(value), as: Float16.self)
    case .bfloat16:
      let bits = value.bitPattern
      place.storeBytes(
        of: UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16), as: UInt16.self)
    default: preconditionFailure("numbers of type \(rawValue)")
    }
  }
}

extension UnsafeBufferPointer<Float> {
  /// The first number that is infinite or none; nil where all are finite.
  package var firstNonFinite: Int? {
    // Bit 31 of a sum is set where the exponent is all ones: one pass without branches.
    var marks: UInt32 = 0
    for x in self { marks |= (x.bitPattern & 0x7f80_0000) &+ 0x0080_0000 }
    return marks & 0x8000_0000 == 0 ? nil : firstIndex { !$0.isFinite }
  }
}
