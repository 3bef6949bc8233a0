import LinearAlgebra
import MPI
import Sharding

/// Checks sums of micro-batches' vectors on every rank, with more ranks than numbers, and twice in
/// turn.
func checkAllReduce(_ count: Int, microBatches: Int, on world: Communicator) throws -> UInt64 {
  let shares = Partition(of: microBatches, over: world.size)
  // Two sums at once, of different numbers.
  let both = [0, 1].map { _ in AllReduce<Float>(count: count, of: shares, on: world) }
  let first = shares.range(of: world.rank).lowerBound
  let sums = both.map { _ in Buffer<Float>(count: count) }
  var digest: UInt64 = 0
  for round in 0..<2 {
    func value(_ microBatch: Int, _ i: Int) -> Float {
      random(UInt64(1300 + microBatch), i + round)
    }
    let before = world.traffic
    for (which, reduction) in both.enumerated() {
      try reduction.begin(on: world) { index, vector in
        for i in 0..<count { vector[i] = value(first + index, i + which) }
      }
    }
    for (reduction, sum) in zip(both, sums) { try reduction.scatter(into: sum.pointer, on: world) }
    for (reduction, sum) in zip(both, sums) { try reduction.finish(into: sum.pointer, on: world) }
    let one = AllReduce<Float>.traffic(count: count, of: shares)[world.rank]
    let (sent, expected) = (world.traffic - before, one + one)
    try check(sent == expected, "a sum of \(count) sent \(sent), not \(expected)")
    for (which, sum) in sums.enumerated() {
      for i in 0..<count {
        let plain = (0..<microBatches).reduce(0) { $0 + Double(value($1, i + which)) }
        // Single precision, for numbers up to half the count.
        try check(abs(Double(sum.pointer[i]) - plain) < 1e-5, "sum at \(i) of \(count)")
        digest = digest &* 31 &+ UInt64(sum.pointer[i].bitPattern)
      }
    }
  }
  return digest
}
