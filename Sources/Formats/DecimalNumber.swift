/// Parses a decimal number: [sign] digits [. digits] [e [sign] digits]. The result is rounded once.
/// The words nan, inf and infinity are accepted with or without a sign and in any letter case.
/// Surrounding spaces are allowed.
///
/// - Returns: nil for any other text; an infinity if the number is too large.
///
/// Up to 2⁵³ and 10²² the parts of a decimal are exact, and one operation rounds once: W. Clinger,
/// "How to read floating point numbers accurately", 1990. The library parses all other numbers.
package func decimalNumber(_ text: ArraySlice<UInt8>) -> Double? {
  var text = text
  while let first = text.first, first == 0x20 || first == 0x09 { text.removeFirst() }
  while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
  var rest = text
  let isNegative = rest.first == UInt8(ascii: "-")
  if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }

  var (significand, exponent, digits): (UInt64, Int, Int) = (0, 0, 0)
  var isExact = true
  func takeDigits(fraction: Bool) {
    while let byte = rest.first, byte >= 0x30 && byte <= 0x39 {
      rest.removeFirst()
      digits += 1
      guard significand < 1 << 53 / 10 else {
        isExact = false
        continue
      }
      significand = significand * 10 + UInt64(byte - 0x30)
      if fraction { exponent -= 1 }
    }
  }
  takeDigits(fraction: false)
  if rest.first == UInt8(ascii: ".") {
    rest.removeFirst()
    takeDigits(fraction: true)
  }
  guard digits > 0 else { return notFinite(rest, isNegative: isNegative) }
  if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
    rest.removeFirst()
    var power = 0
    let isBelow = rest.first == UInt8(ascii: "-")
    if isBelow || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    guard !rest.isEmpty else { return nil }
    while let byte = rest.first, byte >= 0x30 && byte <= 0x39 {
      rest.removeFirst()
      power = min(power * 10 + Int(byte - 0x30), 100_000)
    }
    exponent += isBelow ? -power : power
  }
  guard rest.isEmpty else { return nil }
  guard isExact, exponent >= -22, exponent <= 22 else {
    return Double(String(decoding: text, as: UTF8.self))
  }
  let power = powersOfTen[abs(exponent)]
  let magnitude = exponent < 0 ? Double(significand) / power : Double(significand) * power
  return isNegative ? -magnitude : magnitude
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  1e18, 1e19, 1e20, 1e21, 1e22,
]

private func notFinite(_ word: ArraySlice<UInt8>, isNegative: Bool) -> Double? {
  switch String(decoding: word, as: UTF8.self).lowercased() {
  case "nan": .nan
  case "inf", "infinity": isNegative ? -.infinity : .infinity
  default: nil
  }
}
