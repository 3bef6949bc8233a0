import RandomNumbers
import Testing

struct CounterRandomTests {
  // Random123 1.14, tests/kat_vectors, lines "philox4x32 10".
  @Test(
    "Philox gives the published numbers",
    arguments: [
      (
        [0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
      ),
      (
        [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ] as [([UInt32], [UInt32], [UInt32])])
  func philoxKnownAnswers(counter: [UInt32], key: [UInt32], answer: [UInt32]) {
    let block = CounterRandom.philox(
      counter: (counter[0], counter[1], counter[2], counter[3]), key: (key[0], key[1]))
    #expect([block.0, block.1, block.2, block.3] == answer)
  }

  @Test("seed, stream and index have their places in counter and key") func bitPlacement() {
    // The third known answer again: the counter holds index and stream, the key is the seed.
    let random = CounterRandom(seed: 0x299f_31d0_a409_3822, stream: 0x0370_7344_1319_8a2e)
    #expect(random.bits(at: 0x85a3_08d3_243f_6a88) == 0x94fd_cceb_d16c_fe09)
  }

  @Test("uniform numbers fill the unit interval evenly") func uniformNumbers() {
    let random = CounterRandom(seed: 1, stream: 2)
    let numbers = (0..<100_000).map { random.uniform(at: $0) }
    #expect(numbers.allSatisfy { $0 >= 0 && $0 < 1 })
    // The standard errors are 0.0009 and 0.00024; the bounds are five of them.
    let mean = numbers.reduce(0, +) / 1e5
    #expect(abs(mean - 0.5) < 0.0046)
    let meanSquare = numbers.map { $0 * $0 }.reduce(0, +) / 1e5
    #expect(abs(meanSquare - mean * mean - 1.0 / 12) < 0.0012)
  }

  @Test("integers stay below their bound", arguments: [1, 2, 3, 10, 1 << 40])
  func boundedIntegers(bound: Int) {
    let random = CounterRandom(seed: 3, stream: 4)
    let numbers = (0..<10_000).map { random.integer(below: bound, at: $0) }
    #expect(numbers.allSatisfy { (0..<bound).contains($0) })
    #expect(Set(numbers).count == min(bound, 10_000))
  }

  @Test("a permutation holds each index once", arguments: [0, 1, 2, 1797])
  func permutation(count: Int) {
    let order = CounterRandom(seed: 5, stream: 6).permutation(count: count)
    #expect(order.sorted() == Array(0..<count))
  }

  @Test("all permutations are equally likely") func uniformPermutations() {
    // 24 permutations of 4 and 2400 draws: chi-squared with 23 degrees of freedom exceeds 58 for
    // one seed in 10,000; these seeds are fixed.
    var seen: [[Int]: Int] = [:]
    for seed in 0..<2400 as Range<UInt64> {
      seen[CounterRandom(seed: seed, stream: 0).permutation(count: 4), default: 0] += 1
    }
    #expect(seen.count == 24)
    let chiSquared = seen.values.map { Double(($0 - 100) * ($0 - 100)) / 100 }.reduce(0, +)
    #expect(chiSquared < 58)
  }

  @Test("seed and stream both change the numbers") func seedAndStream() {
    let orders = [(0, 0), (1, 0), (0, 1), (1 << 32, 0), (0, 1 << 32)].map {
      CounterRandom(seed: $0.0, stream: $0.1).permutation(count: 100)
    }
    #expect(Set(orders).count == orders.count)
  }
}
