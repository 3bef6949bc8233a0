import Pruning
import RandomNumbers
import Reference
import Testing

/// Compares exchanges in small models with a dense matrix.
struct PairExchangesTests {
  /// d weights of the order of one, and m gradients.
  private struct Problem {
    let d = 16
    let m = 20
    let dense: DenseRemoval
    let gradients: [[Double]]
    let damping: Double
    let gradientScale: Double

    init(_ instance: UInt64, damping: Double, gradientScale: Double) {
      let random = CounterRandom(seed: instance, stream: 0)
      let (d, m) = (self.d, self.m)
      func number(_ row: Int, _ i: Int) -> Double {
        2 * Double(random.uniform(at: UInt64(row * d + i))) - 1
      }
      // The shared part makes the weights interact.
      let shared = (0..<d).map { number(m + 1, $0) }
      gradients = (0..<m).map { row in
        let part = number(m + 2, row)
        return (0..<d).map { number(row, $0) + 1.5 * part * shared[$0] }
      }
      (self.damping, self.gradientScale) = (damping, gradientScale)
      dense = DenseRemoval(
        rows: gradients, weights: (0..<d).map { number(m, $0) }, damping: damping,
        gradientScale: gradientScale)
    }

    func value(_ removed: [Bool]) -> Double { dense.value(dense.change(removing: removed)) }

    /// Returns the exchanges for all weights, with `removed` removed; a dense system gives A.
    func exchanges(_ removed: [Bool]) -> PairExchanges {
      let system = DenseMatrix(rows: m, columns: m) { row, column in
        (0..<d).reduce(row == column ? Double(m) * damping : 0) {
          removed[$1] ? $0 : $0 + gradients[row][$1] * gradients[column][$1]
        }
      }
      func column(_ i: Int) -> [Double] { gradients.map { $0[i] } }
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      let v = gradients.map { row in
        (0..<d).reduce(-gradientScale) { removed[$1] ? $0 + row[$1] * dense.weights[$1] : $0 }
      }
      let t = system.solve(v)
      let solved = (0..<d).map { system.solve(column($0)) }
      return PairExchanges(
        isKept: removed.map { !$0 },
        weights: (0..<d).map { dense.weights[$0] + dot(column($0), t) },
        leverages: (0..<d).flatMap { i in solved.map { dot(column(i), $0) } }, damping: damping)
    }

    /// The 8 weights with the least `w²/(2[F⁻¹]ᵢᵢ)`.
    var woodFisher: [Bool] {
      let costs = (0..<d).map { i in
        let inverse = dense.fisher.solve((0..<d).map { $0 == i ? 1 : 0 })[i]
        return dense.weights[i] * dense.weights[i] / (2 * inverse)
      }
      let removed = Set((0..<d).sorted { (costs[$0], $0) < (costs[$1], $1) }.prefix(8))
      return (0..<d).map(removed.contains)
    }
  }

  /// A pair's number is the exact difference of two minima, also after other exchanges.
  @Test(
    "a pair's gain is the exact difference of two minima",
    arguments: [(0.1, 0.0), (1e-3, 0.0), (1e-3, 1.0)])
  func exactPairs(damping: Double, gradientScale: Double) {
    let problem = Problem(3, damping: damping, gradientScale: gradientScale)
    var removed = problem.woodFisher
    var exchanges = problem.exchanges(removed)
    for round in 0..<5 {
      let base = problem.value(removed)
      let (kept, gone) = (
        removed.indices.filter { !removed[$0] }, removed.indices.filter { removed[$0] }
      )
      for i in kept {
        for j in gone {
          var other = removed
          (other[i], other[j]) = (true, false)
          let expected = problem.value(other) - base
          let change = exchanges.change(removing: i, keeping: j)
          #expect((change - expected).magnitude <= 1e-10 * max(base.magnitude, 1), "\(i) \(j)")
        }
      }
      let (i, j) = (kept[round], gone[(2 * round) % gone.count])
      exchanges.exchange(removing: i, keeping: j)
      (removed[i], removed[j]) = (true, false)
      #expect(exchanges.isKept == removed.map { !$0 })
    }
  }

  /// Compares with the best of all 12,870 sets, for 40 instances.
  @Test("exchanges find the best set in most instances") func bestSet() {
    var (found, before) = (0, 0)
    for instance in 0..<40 {
      let problem = Problem(UInt64(instance), damping: 1e-2, gradientScale: 0)
      let start = problem.woodFisher
      var exchanges = problem.exchanges(start)
      exchanges.descend(least: 1e-12, isAllowed: { _, _ in true }, made: { _, _ in })
      let value = problem.value(exchanges.isKept.map { !$0 })
      #expect(exchanges.isKept.count { !$0 } == 8)
      #expect(value <= problem.value(start) + 1e-12)
      var best = Double.infinity
      for bits in 0..<1 << 16 where bits.nonzeroBitCount == 8 {
        best = min(best, problem.value((0..<16).map { bits >> $0 & 1 == 1 }))
      }
      #expect(value >= best - 1e-10)
      found += value <= best + 1e-10 ? 1 : 0
      before += problem.value(start) <= best + 1e-10 ? 1 : 0
    }
    // Measured: 35 and 4. The others end in a set that no exchange improves.
    #expect(found >= 35 && before <= 10, "\(found) of 40 sets are the best, \(before) before")
  }
}
