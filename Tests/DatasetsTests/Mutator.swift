import RandomNumbers

/// Spoils files in the ways that find a reader's mistakes; mutant `n` of a seed is always the same.
struct Mutator {
  /// Pieces of the format, put in at random places.
  var tokens: [[UInt8]] = []
  let seed: UInt64

  func mutant(_ number: Int, of original: [UInt8]) -> [UInt8] {
    let random = CounterRandom(seed: seed, stream: UInt64(number))
    var drawn: UInt64 = 0
    func draw(below bound: Int) -> Int {
      drawn += 1
      return random.integer(below: max(bound, 1), at: drawn)
    }
    func integer() -> Int {
      let edges = [0, 1, 2, 255, 256, 0x7fff_ffff, 0xffff_ffff, 100_000_000, .max, -1, .min]
      return edges[draw(below: edges.count)]
    }
    var bytes = original
    for _ in 0...draw(below: 3) {
      let start = draw(below: bytes.count)
      let range = start..<min(bytes.count, start + 1 + draw(below: 12))
      switch draw(below: 9) {
      case 0 where !bytes.isEmpty: bytes[start] ^= 1 << UInt8(draw(below: 8))
      case 1 where !bytes.isEmpty: bytes[start] = UInt8(draw(below: 256))
      case 2: bytes.removeSubrange(start...)
      case 3: bytes.removeSubrange(range)
      case 4: bytes.insert(contentsOf: bytes[range], at: start)
      case 5: bytes += (0...draw(below: 20)).map { _ in UInt8(draw(below: 256)) }
      case 6:
        // A number of 4 or 8 bytes, big-endian as in IDX or little-endian as in safetensors.
        let number = littleEndian(integer()).prefix(draw(below: 2) * 4 + 4)
        let place = draw(below: 2) == 0 ? 4 * draw(below: 4) : start
        let end = min(place + number.count, bytes.count)
        guard place < end else { break }
        let value = draw(below: 2) == 0 ? Array(number) : number.reversed()
        bytes.replaceSubrange(place..<end, with: value.prefix(end - place))
      case 7 where !tokens.isEmpty:
        bytes.insert(contentsOf: tokens[draw(below: tokens.count)], at: start)
      default:
        let token = tokens.isEmpty ? [0] : tokens[draw(below: tokens.count)]
        bytes.replaceSubrange(range, with: token)
      }
    }
    return bytes
  }
}
