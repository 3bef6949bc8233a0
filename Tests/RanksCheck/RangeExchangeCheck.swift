import LinearAlgebra
import MPI
import Sharding

/// Checks moves of every size between all ranks, to several targets at once and to the source
/// itself; each number encodes its origin.
func checkRangeExchange(_ d: Int, on world: Communicator) throws {
  let p = world.size
  var moves: [RangeExchange<Float>.Move] = []
  // Each rank's slice goes to itself and to its right-hand neighbour; the first half of it goes to
  // all.
  for (source, slice) in CellPartition(Cells(parameterCount: d), over: p).slices.enumerated() {
    let half = slice.lowerBound..<(slice.lowerBound + slice.upperBound) / 2
    for target in 0..<p {
      let isNear = target == source || target == (source + 1) % p
      let range = isNear ? slice : half
      if !range.isEmpty { moves.append(.init(range, from: source, to: target)) }
    }
  }
  let exchange = RangeExchange<Float>(moves, on: world)
  for round in 0..<2 {
    func value(_ source: Int, _ i: Int) -> Float { random(UInt64(900 + 50 * round + source), i) }
    let local = Buffer<Float>(count: d)
    for i in 0..<d { local.pointer[i] = value(world.rank, i) }
    let received = Buffer<Float>(count: d)
    let before = world.traffic
    try exchange.exchange(
      from: { UnsafeBufferPointer(local[$0]) }, into: { received[$0] }, on: world)
    let sent = world.traffic - before
    let expected = RangeExchange<Float>.traffic(moves, ranks: p)[world.rank]
    try check(sent == expected, "an exchange of ranges sent \(sent), not \(expected)")
    for move in moves where move.target == world.rank {
      try check(
        received[move.range].elementsEqual(move.range.lazy.map { value(move.source, $0) }),
        "range \(move.range) of rank \(move.source) in round \(round)")
    }
  }
}
