import MPI
import Sharding

/// Selects the smallest numbers among those distributed over the ranks, up to a last one.
///
/// Each number represents a number of weights or their cost. Numbers are ordered by value, and
/// equal ones by their indices. The selection finds the last number digit by digit, from the
/// highest digit: each round sums a histogram of the next digit over the remaining candidates. No
/// rank sees another's numbers.
struct RadixSelect: Comparable {
  private let key: UInt64
  private let index: Int

  /// The selection of all numbers.
  static let all = RadixSelect(key: .max, index: .max)

  private init(key: UInt64, index: Int) {
    self.key = key
    self.index = index
  }

  static func < (left: RadixSelect, right: RadixSelect) -> Bool {
    (left.key, left.index) < (right.key, right.index)
  }

  /// Returns true if a number is not above the last selected one.
  func selects(_ key: UInt64, at index: Int) -> Bool { (key, index) <= (self.key, self.index) }

  /// Selects the smallest numbers that together represent `count` weights or more; nil if `count`
  /// is 0. Collective.
  ///
  /// - Parameters:
  ///   - count: at most the number of weights on all ranks.
  ///   - numbers: this rank's numbers: the key of each, see `key(of:)`; its index, unique over all
  ///     ranks; and its weights.
  init?(
    _ count: Int, of numbers: [(key: UInt64, index: Int, weights: Int)], on world: Communicator
  ) throws {
    guard count > 0 else { return nil }
    let (key, below, equal) = try Self.number(
      at: count, of: numbers.map { ($0.key, $0.weights) }, on: world)
    let ties = count - below
    guard ties < equal else {
      self.init(key: key, index: .max)
      return
    }
    let tied = numbers.filter { $0.key == key }.map { (UInt64($0.index), $0.weights) }
    self.init(key: key, index: Int(try Self.number(at: ties, of: tied, on: world).number))
  }

  /// Returns an integer with the same order as the number, which must not be −0.
  static func key(of number: Double) -> UInt64 {
    let bits = number.bitPattern
    return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
  }

  /// Returns the number that holds the `place`-th weight in the order of all ranks' numbers.
  /// `place` counts from 1. Also returns the weights of the smaller numbers and those of the equal
  /// ones. Collective.
  private static func number(
    at place: Int, of numbers: [(number: UInt64, weights: Int)], on world: Communicator
  ) throws -> (number: UInt64, below: Int, equal: Int) {
    let sum = TreeSum(Partition(of: world.size, over: world.size), rank: world.rank)
    var inQuestion = numbers
    var (number, below, equal) = (UInt64(0), 0, 0)
    for shift in stride(from: 55, through: 0, by: -11) {
      // The first digit has 9 bits, the others 11.
      func digit(_ number: UInt64) -> Int { Int(number >> shift & 0x7FF) }
      var histogram = [Double](repeating: 0, count: 2048)
      for (number, weights) in inQuestion { histogram[digit(number)] += Double(weights) }
      // Counts are exact in any order.
      let counts = try histogram.withUnsafeMutableBufferPointer {
        try sum.total(of: $0, width: $0.count, on: world)
      }
      var found = 0
      while below + Int(counts[found]) < place {
        below += Int(counts[found])
        found += 1
        precondition(found < counts.count, "weight \(place) of \(below)")
      }
      number |= UInt64(found) << shift
      equal = Int(counts[found])
      inQuestion.removeAll { digit($0.number) != found }
    }
    return (number, below, equal)
  }
}
