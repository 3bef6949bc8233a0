import Formats
import RandomNumbers
import Testing

struct DecimalNumberTests {
  func number(_ text: String) -> Double? { decimalNumber(Array(text.utf8)[...]) }

  /// Compares with the standard library, which rounds correctly.
  @Test("decimal numbers are rounded once") func roundedOnce() {
    let random = CounterRandom(seed: 1, stream: 0)
    for index in 0..<200_000 as Range<UInt64> {
      func draw(_ bound: Int, _ which: UInt64) -> Int {
        random.integer(below: bound, at: index * 8 + which)
      }
      // Up to 20 digits: some exceed the fast path's limit.
      let digits = String(random.bits(at: index * 8)).prefix(1 + draw(20, 1))
      let point = draw(digits.count + 1, 2)
      var text = ["", "-", "+"][draw(3, 3)] + digits.prefix(point)
      if draw(4, 4) > 0 { text += "." + digits.dropFirst(point) }
      if text.last == "." && point == 0 { text += "5" }
      if draw(3, 5) == 0 { text += ["e", "E"][draw(2, 6)] + "\(draw(60, 7) - 30)" }
      guard let expected = Double(text) else { continue }
      #expect(number(text)?.bitPattern == expected.bitPattern, "\(text)")
    }
  }

  @Test(
    "usual ways to write a number are read",
    arguments: [
      ("0", 0), ("-0", -0.0), ("007", 7), ("5.", 5), (".5", 0.5), ("-.5e1", -5), ("1e+3", 1000),
      (" 1\t", 1), ("9007199254740993", 9_007_199_254_740_992), ("1e22", 1e22), ("1e23", 1e23),
      ("4.9e-324", .leastNonzeroMagnitude), ("1e400", .infinity),
      ("-1e999999999999999999999", -.infinity),
      ("1e-999999999999999999999", 0), ("0.1", 0.1),
      ("123456789012345678", 123_456_789_012_345_680),
      ("inf", .infinity), ("-Infinity", -.infinity), ("+INF", .infinity),
    ])
  func usualNumbers(text: String, value: Double) {
    #expect(number(text)?.bitPattern == value.bitPattern)
  }

  @Test("NaN is read in its usual spellings") func nan() {
    for text in ["nan", "NaN", "-nan"] { #expect(number(text)?.isNaN == true) }
  }

  @Test(
    "text that is not a number is refused",
    arguments: [
      "", " ", ".", "-", "+-1", "1e", "1e+", "e5", "1.2.3", "1,5", "0x10", "1_000", "1 2", "12a",
      "infinit", "NA", "?", "१", "1e5.0", "--1", "\u{0}1",
    ])
  func notANumber(text: String) {
    #expect(number(text) == nil)
  }
}
