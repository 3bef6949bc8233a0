import Sharding
import Testing

@Suite struct KroneckerPlacementTests {
  private let layers: [[KroneckerPlacement.Factor]] = [
    [dense(28), dense(16)], [dense(145), dense(16)], [dense(289), dense(32)],
    [.init(count: 256, cost: 256), dense(192)], [dense(577), dense(64)], [dense(577), dense(64)],
    [dense(65), dense(10)], [.init(count: 32, cost: 32)],
  ]

  private static func dense(_ n: Int) -> KroneckerPlacement.Factor {
    .init(count: n * (n + 1) / 2, cost: n * n * n)
  }

  @Test(
    "every factor has an owner among its layer's workers",
    arguments: [1, 2, 3, 5, 8, 64], [0.001, 0.25, 0.5, 1])
  func factorOwners(ranks p: Int, share: Double) {
    let placement = KroneckerPlacement(of: layers, over: p, workerShare: share)
    let size = max(1, Int((share * Double(p)).rounded()))
    var all: [Range<Int>] = []
    for (layer, factors) in layers.enumerated() {
      let workers = placement.workers[layer]
      #expect(!workers.isEmpty && workers.count <= size && (0..<p).contains(workers.last!))
      for (factor, owner) in placement.owners[layer].enumerated() {
        #expect(workers.contains(owner))
        let range = placement.ranges[layer][factor]
        #expect(range.count == factors[factor].count)
        #expect(placement.slices[owner].clamped(to: range) == range)
        all.append(range)
      }
      for rank in 0..<p {
        let worker = placement.worker(ofLayer: layer, serving: rank)
        #expect(workers.contains(worker) && (!workers.contains(rank) || worker == rank))
      }
    }
    all.sort { $0.lowerBound < $1.lowerBound }
    // The ranges follow one another from 0 to the end, like the ranks' slices.
    #expect(all.first?.lowerBound == 0)
    #expect(zip(all, all.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(placement.slices.last?.upperBound == all.last?.upperBound)
    #expect(
      zip(placement.slices, placement.slices.dropFirst()).allSatisfy {
        $0.upperBound == $1.lowerBound
      })
  }

  @Test("cost is balanced among the ranks") func balancedCost() {
    let equal = (0..<12).map { _ in [Self.dense(100), Self.dense(10)] }
    let placement = KroneckerPlacement(of: equal, over: 4, workerShare: 0.25)
    #expect(
      (0..<4).map { rank in placement.workers.count { $0 == rank..<rank + 1 } } == [3, 3, 3, 3])
    // Two ranks that work on a layer own one of its factors each.
    let pair = KroneckerPlacement(of: [[Self.dense(100), Self.dense(90)]], over: 2, workerShare: 1)
    #expect(pair.owners == [[0, 1]])
    // Cost counts, not the number: the owner of the largest factor owns none of the others.
    let uneven = KroneckerPlacement(
      of: [[Self.dense(100), Self.dense(10)]] + Array(repeating: [Self.dense(20)], count: 8),
      over: 2, workerShare: 1)
    #expect(uneven.owners == [[0, 1]] + Array(repeating: [1], count: 8))
  }
}
