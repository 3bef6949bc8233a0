import Formats
import RandomNumbers

/// Divides a source's examples into a training and a test part, if the source does not.
public struct Split: Sendable, Equatable {
  /// Test part as a fraction of all examples, in (0, 1).
  public var testFraction = 0.1
  /// Seed of the draw, for examples that have no order.
  public var seed: UInt64 = 0

  /// Creates a split.
  ///
  /// - Parameters:
  ///   - testFraction: fraction of the examples to test on.
  ///   - seed: seed of the draw.
  public init(testFraction: Double = 0.1, seed: UInt64 = 0) {
    self.testFraction = testFraction
    self.seed = seed
  }

  /// Returns the number of test examples: the fraction of `count`, rounded, at least 1 and at most
  /// `count` − 1.
  ///
  /// - Throws: `InputError` naming `source` when it has fewer than 2 examples, or the setting when
  ///   the fraction is not between 0 and 1.
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

  /// Returns the rows of both parts, drawn by the seed, each in the source's order.
  func rows(of count: Int, source: String) throws(InputError) -> (training: [Int], test: [Int]) {
    let testCount = try testCount(of: count, source: source)
    // Streams below 3·2³² draw initial values, the order and augmentation.
    var isTest = [Bool](repeating: false, count: count)
    for row in CounterRandom(seed: seed, stream: 3 << 32).permutation(count: count)
      .prefix(testCount)
    {
      isTest[row] = true
    }
    return ((0..<count).filter { !isTest[$0] }, (0..<count).filter { isTest[$0] })
  }
}
