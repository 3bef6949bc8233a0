import Pruning
import Testing

struct DecimalFractionTests {
  /// Floating-point arithmetic gives one more or one less for some of these.
  static let whole: [(value: Double, count: Int, expected: Int)] = [
    (0.9, 1000, 900), (0.8, 32_360, 25_888), (0.9, 32_360, 29_124), (0.29, 100, 29),
    (0.07, 100, 7), (0.56, 100, 56), (1e-3, 1_000_000_000_000, 1_000_000_000),
    (2.5e-7, 4_000_000, 1), (0.5, 0, 0), (0, 7, 0), (1, 7, 7),
    (0.30000000000000004, 10, 3), (0.1.nextDown, 10, 1), (0.3333333333333333, 3, 1), (5 / 6, 6, 5),
    (1e-300, 1_000_000_000_000, 0),
  ]

  @Test("whole shares are exact", arguments: whole)
  func wholeShares(value: Double, count: Int, expected: Int) {
    #expect(DecimalFraction(value).roundedUp(of: count) == expected)
    #expect(DecimalFraction(value).roundedDown(of: count) == expected)
  }

  static let others: [(value: Double, count: Int, below: Int)] = [
    (0.98, 32_360, 31_712), (0.777, 10, 7), (0.3, 1_000_000_001, 300_000_000),
    (1e-9, 1_000_000, 0), (1.0.nextDown, 9_007_199_254_740_992, 9_007_199_254_740_991),
  ]

  /// A sparsity computed from counts gives back these counts.
  @Test("quotients of counts are exact") func countQuotients() {
    for count in [7, 97, 1000, 32_360, 1_000_003] {
      for part in stride(from: 0, through: count, by: max(count / 500, 1)) {
        let share = DecimalFraction(Double(part) / Double(count))
        #expect(share.roundedUp(of: count) == part && share.roundedDown(of: count) == part)
      }
    }
  }

  @Test("other shares are rounded up or down", arguments: others)
  func roundedShares(value: Double, count: Int, below: Int) {
    #expect(DecimalFraction(value).roundedDown(of: count) == below)
    #expect(DecimalFraction(value).roundedUp(of: count) == below + 1)
  }

  /// Shares add up exactly, are nearly proportional, and never shrink: rounding by the largest
  /// remainders alone would sometimes take one back.
  @Test("shares of tensors add up and never shrink") func shares() {
    let sizes = [144, 2304, 27, 640, 5, 36864, 512]
    let all = sizes.reduce(0, +)
    var previous = sizes.map { _ in 0 }
    for total in stride(from: 0, through: all, by: 1) {
      let shares = Selection.shares(of: total, over: sizes, from: previous)
      #expect(shares.reduce(0, +) == total)
      for (share, (size, before)) in zip(shares, zip(sizes, previous)) {
        #expect(share >= before && share <= size)
        #expect(abs(Double(share) - Double(total) * Double(size) / Double(all)) < 1.5)
      }
      previous = shares
    }
    // These masks start far from proportion.
    #expect(Selection.shares(of: 100, over: [100, 100], from: [80, 0]) == [80, 20])
    #expect(Selection.shares(of: 190, over: [100, 100], from: [80, 0]) == [95, 95])
    #expect(Selection.shares(of: 80, over: [100, 100], from: [80, 0]) == [80, 0])
  }
}
