import RandomNumbers
import Support

/// Corrupts files in ways that reveal a reader's mistakes; mutant `n` of a seed is always the same.
public struct Mutator {
  /// Pieces of the format, inserted at random places.
  let tokens: [[UInt8]]
  let seed: UInt64

  public init(tokens: [String] = [], seed: UInt64) {
    self.tokens = tokens.map { Array($0.utf8) }
    self.seed = seed
  }

  public func mutant(_ number: Int, of original: [UInt8]) -> [UInt8] {
    var draws = Draws(seed: seed, stream: number)
    var bytes = original
    for _ in 0...draws.next(below: 3) { spoil(&bytes, &draws) }
    return bytes
  }

  private func spoil(_ bytes: inout [UInt8], _ draws: inout Draws) {
    let start = draws.next(below: bytes.count)
    let range = start..<min(bytes.count, start + 1 + draws.next(below: 12))
    switch draws.next(below: 12) {
    case 0 where !bytes.isEmpty: bytes[start] ^= 1 << UInt8(draws.next(below: 8))
    case 1 where !bytes.isEmpty: bytes[start] = UInt8(draws.next(below: 256))
    case 2: bytes.removeSubrange(start...)
    case 3: bytes.removeSubrange(range)
    case 4: bytes.insert(contentsOf: bytes[range], at: start)
    case 5: bytes += (0...draws.next(below: 20)).map { _ in UInt8(draws.next(below: 256)) }
    case 6:
      // Write a number of 4 or 8 bytes, big-endian as in IDX or little-endian as in safetensors.
      let number = littleEndian(draws.edge()).prefix(draws.next(below: 2) * 4 + 4)
      let place = draws.next(below: 2) == 0 ? 4 * draws.next(below: 4) : start
      let end = min(place + number.count, bytes.count)
      guard place < end else { break }
      let value = draws.next(below: 2) == 0 ? Array(number) : number.reversed()
      bytes.replaceSubrange(place..<end, with: value.prefix(end - place))
    case 7:
      // Replace the next number in digits.
      let digits = bytes[start...].drop { !Self.isDigit($0) }.prefix(while: Self.isDigit)
      let number = draws.next(below: 2) == 0 ? draws.next(below: 20) : draws.edge()
      bytes.replaceSubrange(digits.indices, with: Array("\(number)".utf8))
    case 8:
      // Copy a line to another place, or move it there.
      guard let line = lines(of: bytes).pick(&draws) else { break }
      let copy = bytes[line]
      if draws.next(below: 2) == 0 { bytes.removeSubrange(line) }
      let place = lines(of: bytes).pick(&draws)?.lowerBound ?? 0
      bytes.insert(contentsOf: copy, at: place)
    case 9 where !tokens.isEmpty:
      bytes.insert(contentsOf: tokens[draws.next(below: tokens.count)], at: start)
    default:
      let token = tokens.isEmpty ? [0] : tokens[draws.next(below: tokens.count)]
      bytes.replaceSubrange(range, with: token)
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  /// Returns the ranges of the lines, each with its line end.
  private func lines(of bytes: [UInt8]) -> [Range<Int>] {
    let newline = UInt8(ascii: "\n")
    let starts = [0] + bytes.indices.filter { bytes[$0] == newline }.map { $0 + 1 }
    return zip(starts, starts.dropFirst() + [bytes.count]).map { $0..<$1 }
  }
}

/// The numbers drawn for one case, one after the other.
public struct Draws {
  private let random: CounterRandom
  private var drawn: UInt64 = 0

  public init(seed: UInt64, stream: Int) {
    random = CounterRandom(seed: seed, stream: UInt64(stream))
  }

  /// Returns an integer in [0, bound); 0 if the bound is 0.
  public mutating func next(below bound: Int) -> Int {
    drawn += 1
    return random.integer(below: max(bound, 1), at: drawn)
  }

  /// Returns a number that may break arithmetic on sizes.
  public mutating func edge() -> Int {
    let edges = [0, 1, 2, 255, 256, 0x7fff_ffff, 0xffff_ffff, 100_000_000, .max, -1, .min]
    return edges[next(below: edges.count)]
  }
}

extension RandomAccessCollection where Index == Int {
  /// Returns one of the elements, or nil if there is none.
  public func pick(_ draws: inout Draws) -> Element? {
    isEmpty ? nil : self[startIndex + draws.next(below: count)]
  }
}
