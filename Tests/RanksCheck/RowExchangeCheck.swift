import LinearAlgebra
import MPI
import Sharding

/// Checks rounds with rows of all ranks, of some and of none; each number encodes its origin.
func checkRowExchange(_ d: Int, emptyFirst: Bool, on world: Communicator) throws {
  let p = world.size
  let partition = CellPartition(Cells(parameterCount: d), over: p)
  // The first rank may have nothing at all.
  let slices = (0..<p).map {
    !emptyFirst || p == 1
      ? partition.slice(of: $0)
      : $0 == 0 ? 0..<0 : d * ($0 - 1) / (p - 1)..<d * $0 / (p - 1)
  }
  let local = slices[world.rank]
  let exchange = RowExchange<Float>(slices, on: world)
  try check(
    MemoryCount.of { RowExchange<Float>(slices, on: world) }.total == 4 * (p - 1) * local.count,
    "bytes of an exchange")
  func value(_ round: Int, _ source: Int, _ i: Int) -> Float {
    random(UInt64(700 + 10 * round + source), i)
  }
  for (round, rows) in [p, 1, p / 2, 0, p].enumerated() {
    let row = (0..<d).map { value(round, world.rank, $0) }
    let before = world.traffic
    var sources: [Int] = []
    try row.withUnsafeBufferPointer { row in
      try exchange.exchange(world.rank < rows ? row : nil, rows: rows, on: world) { source, part in
        sources.append(source)
        try check(
          part.elementsEqual(local.lazy.map { value(round, source, $0) }),
          "slice of rank \(source)'s row of \(d) in round \(round)")
      }
    }
    try check(sources == Array(0..<rows), "rows of the ranks \(sources), not of \(rows)")
    let sent = world.traffic - before
    let expected = RowExchange<Float>.traffic(slices, rows: rows)[world.rank]
    try check(sent == expected, "an exchange of rows sent \(sent), not \(expected)")
  }
}
