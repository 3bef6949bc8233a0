import Pruning
import Testing

struct ShareTests {
  /// Floating point gives one more or one less for some of these.
  static let whole: [(value: Double, count: Int, expected: Int)] = [
    (0.9, 1000, 900), (0.8, 32_360, 25_888), (0.9, 32_360, 29_124), (0.29, 100, 29),
    (0.07, 100, 7), (0.56, 100, 56), (1e-3, 1_000_000_000_000, 1_000_000_000),
    (2.5e-7, 4_000_000, 1), (0.5, 0, 0), (0, 7, 0), (1, 7, 7),
  ]

  @Test(arguments: whole)
  func wholeSharesAreExact(value: Double, count: Int, expected: Int) {
    #expect(Share(value).roundedUp(of: count) == expected)
    #expect(Share(value).roundedDown(of: count) == expected)
  }

  static let others: [(value: Double, count: Int, below: Int)] = [
    (0.98, 32_360, 31_712), (0.777, 10, 7), (0.30000000000000004, 10, 3),
    (1e-300, 1_000_000_000_000, 0), (0.1.nextDown, 10, 0),
    (1.0.nextDown, 9_007_199_254_740_992, 9_007_199_254_740_991), (0.3333333333333333, 3, 0),
  ]

  @Test(arguments: others)
  func othersAreRoundedAsAsked(value: Double, count: Int, below: Int) {
    #expect(Share(value).roundedDown(of: count) == below)
    #expect(Share(value).roundedUp(of: count) == below + 1)
  }
}
