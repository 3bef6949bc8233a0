import Formats
import RandomNumbers

/// Which of a source's examples are held out to test on, where it does not say so itself.
public struct Split: Sendable, Equatable {
  /// Of all examples, in (0, 1).
  public var testFraction = 0.1
  /// Of the drawing of examples that have no order.
  public var seed: UInt64 = 0

  /// - Parameters:
  ///   - testFraction: the share of the examples to test on.
  ///   - seed: of their drawing.
  public init(testFraction: Double = 0.1, seed: UInt64 = 0) {
    self.testFraction = testFraction
    self.seed = seed
  }

  /// How many of `count` examples are for test: the fraction, rounded, but at least 1, and 1 is
  /// left.
  ///
  /// - Throws: `InputError` naming `source` when there are fewer than 2 examples, and the setting
  ///   when its number is no fraction.
  func testCount(of count: Int, source: String) throws(InputError) -> Int {
    guard testFraction > 0 && testFraction < 1 else {
      throw InputError("test fraction", "\(testFraction) is not between 0 and 1")
    }
    guard count >= 2 else {
      throw InputError(
        source, "too few examples to train and to test", expected: "at least 2", got: "\(count)")
    }
    return min(max(Int((Double(count) * testFraction).rounded()), 1), count - 1)
  }

  /// The examples of both parts, drawn by the seed, each in the source's order.
  func rows(of count: Int, source: String) throws(InputError) -> (training: [Int], test: [Int]) {
    let testCount = try testCount(of: count, source: source)
    // Streams below 3·2³² are those of initial values, of the order and of augmentation.
    var isTest = [Bool](repeating: false, count: count)
    for row in CounterRandom(seed: seed, stream: 3 << 32).permutation(count: count)
      .prefix(testCount)
    {
      isTest[row] = true
    }
    return ((0..<count).filter { !isTest[$0] }, (0..<count).filter { isTest[$0] })
  }
}
