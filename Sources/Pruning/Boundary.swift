import MPI
import Sharding

/// The last of the least numbers, of which each rank holds some: those up to it are taken.
///
/// In the order of the numbers, and of equal ones in the order of their indices. It is found digit by
/// digit, from the highest: in each round the ranks sum how many of the numbers that are still in
/// question have which digit. No rank sees another's numbers.
struct Boundary: Comparable {
  private let key: UInt64
  private let index: Int

  /// All numbers are up to it.
  static let all = Boundary(key: .max, index: .max)

  private init(key: UInt64, index: Int) {
    self.key = key
    self.index = index
  }

  static func < (left: Boundary, right: Boundary) -> Bool {
    (left.key, left.index) < (right.key, right.index)
  }

  func takes(_ key: UInt64, at index: Int) -> Bool { (key, index) <= (self.key, self.index) }

  /// The boundary after `count` of all ranks' numbers; nil where that is none of them. Collective.
  ///
  /// - Parameters:
  ///   - count: at most as many as there are.
  ///   - keys: this rank's; see `key(of:)`.
  ///   - indices: theirs, none of them twice on all ranks.
  init?(after count: Int, of keys: [UInt64], at indices: [Int], on world: Communicator) throws {
    guard count > 0 else { return nil }
    let (key, below, equal) = try Self.number(count, of: keys, on: world)
    let ties = count - below
    guard ties < equal else {
      self.init(key: key, index: .max)
      return
    }
    let tied = zip(keys, indices).filter { $0.0 == key }.map { UInt64($0.1) }
    self.init(key: key, index: Int(try Self.number(ties, of: tied, on: world).number))
  }

  /// An integer that is ordered as the number is; the number is not −0.
  static func key(of number: Double) -> UInt64 {
    let bits = number.bitPattern
    return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
  }

  /// The `place`-th least of all ranks' numbers, counted from 1, how many are less, and how many are
  /// equal to it. Collective.
  private static func number(
    _ place: Int, of numbers: [UInt64], on world: Communicator
  ) throws -> (number: UInt64, below: Int, equal: Int) {
    let sum = TreeSum(Partition(of: world.size, over: world.size), rank: world.rank)
    var inQuestion = numbers
    var (number, below, equal) = (UInt64(0), 0, 0)
    for shift in stride(from: 55, through: 0, by: -11) {
      // The first digit has 9 bits, the others 11.
      func digit(_ number: UInt64) -> Int { Int(number >> shift & 0x7FF) }
      var histogram = [Double](repeating: 0, count: 2048)
      for number in inQuestion { histogram[digit(number)] += 1 }
      // Counts: exact in any order.
      let counts = try histogram.withUnsafeMutableBufferPointer {
        try sum.total(of: $0, width: $0.count, on: world)
      }
      var found = 0
      while below + Int(counts[found]) < place {
        below += Int(counts[found])
        found += 1
        precondition(found < counts.count, "number \(place) of \(below)")
      }
      number |= UInt64(found) << shift
      equal = Int(counts[found])
      inQuestion.removeAll { digit($0) != found }
    }
    return (number, below, equal)
  }
}
