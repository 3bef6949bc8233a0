import Glibc

/// Generates random numbers from a counter: each is a pure function of (seed, stream, index).
/// Neither the rank that draws a number nor the order of draws changes it.
///
/// Philox4x32-10; Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// 2011.
public struct CounterRandom: Sendable {
  private let key: (UInt32, UInt32)
  private let stream: UInt64

  /// Creates the generator of one stream.
  ///
  /// - Parameters:
  ///   - seed: the run's seed; the generator's key.
  ///   - stream: the purpose of the numbers (an epoch's order, a tensor's initial values, …).
  public init(seed: UInt64, stream: UInt64) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    self.stream = stream
  }

  /// Returns 64 uniform bits.
  public func bits(at index: UInt64) -> UInt64 {
    let block = block(at: index)
    return UInt64(block.0) | UInt64(block.1) << 32
  }

  /// Returns a multiple of 2⁻⁵³ in [0, 1), uniformly distributed.
  public func uniform(at index: UInt64) -> Double {
    Double(bits(at: index) >> 11) * 0x1p-53
  }

  /// Returns an integer in [0, bound), uniform up to bound·2⁻⁶⁴.
  public func integer(below bound: Int, at index: UInt64) -> Int {
    precondition(bound > 0, "bound \(bound) is not positive")
    return Int(bits(at: index).multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Returns a number from the standard normal distribution; Box and Muller, 1958.
  public func normal(at index: UInt64) -> Double {
    let block = block(at: index)
    // The radius lies in (0, 1], so the logarithm is finite.
    let radius = (UInt64(block.0) | UInt64(block.1) << 32) >> 11
    let angle = (UInt64(block.2) | UInt64(block.3) << 32) >> 11
    return (-2 * log(Double(radius + 1) * 0x1p-53)).squareRoot()
      * cos(2 * .pi * Double(angle) * 0x1p-53)
  }

  /// Returns a permutation of 0..<count (Fisher–Yates).
  public func permutation(count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(i, integer(below: i + 1, at: UInt64(i)))
    }
    return order
  }

  private func block(at index: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
    Self.philox(
      counter: (
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
        UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)
      ), key: key)
  }

  /// Computes ten rounds of Philox4x32.
  package static func philox(
    counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
  ) -> (UInt32, UInt32, UInt32, UInt32) {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let first = (0xD251_1F53 as UInt32).multipliedFullWidth(by: c.0)
      let second = (0xCD9E_8D57 as UInt32).multipliedFullWidth(by: c.2)
      c = (second.high ^ c.1 ^ k.0, second.low, first.high ^ c.3 ^ k.1, first.low)
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return c
  }
}
