/// Rounds x to bfloat16: to the nearer of its two neighbours, at equal distance to the even one.
public func roundedToBFloat16(_ x: Float) -> Float {
  guard x.isFinite else { return x }
  // The neighbour towards zero, and the one away from it, which may be 2¹²⁸, an infinity.
  let near = Float(bitPattern: x.bitPattern & 0xffff_0000)
  let far = Float(bitPattern: near.bitPattern + 0x1_0000)
  let limit = x < 0 ? -0x1p128 : 0x1p128
  let below = abs(Double(x) - Double(near))
  let above = abs((far.isFinite ? Double(far) : limit) - Double(x))
  if below != above { return below < above ? near : far }
  return near.bitPattern >> 16 & 1 == 0 ? near : far
}

/// Rounds x to its first digits, to nearest and ties to even. Below the format's least exponent the
/// stored number differs.
///
/// - Parameter digits: the number of binary digits, the first included.
public func rounded(_ x: Double, toDigits digits: Int) -> Double {
  guard x.isFinite, x != 0 else { return x }
  let unit = Double(sign: .plus, exponent: x.exponent - digits + 1, significand: 1)
  return (x / unit).rounded(.toNearestOrEven) * unit
}

/// Returns the places of the `count` numbers largest in magnitude, ascending; among equal ones the
/// first.
public func placesOfLargest<Element: BinaryFloatingPoint>(
  _ count: Int, of x: [Element]
) -> [Int] {
  let order = x.indices.sorted { (abs(x[$1]), $0) < (abs(x[$0]), $1) }
  return order.prefix(count).sorted()
}
