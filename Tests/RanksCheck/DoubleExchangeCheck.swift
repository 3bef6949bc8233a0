import LinearAlgebra
import MPI
import Sharding

/// Checks exchanges of double precision: sums equal the tree over the micro-batches to the bit.
func checkDoubleExchanges(_ d: Int, microBatches: Int, on world: Communicator) throws {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let shares = Partition(of: microBatches, over: world.size)
  let (slices, rank) = (partition.slices, world.rank)
  func value(_ microBatch: Int, _ i: Int) -> Double {
    Double(random(UInt64(1900 + microBatch), i)) / 3
  }
  func sum(_ i: Int) -> Double {
    var tree = FixedTree<Double>(leaves: microBatches, join: +)
    for microBatch in 0..<microBatches { tree.add(leaf: microBatch, value(microBatch, i)) }
    return tree.root
  }
  func counting(_ name: String, _ expected: [Traffic], _ body: () throws -> Void) throws {
    let before = world.traffic
    try body()
    let sent = world.traffic - before
    try check(sent == expected[rank], "\(name) sent \(sent), not \(expected[rank])")
  }

  let whole = Buffer<Double>(count: d)
  let reduction = ReduceScatter<Double>(of: shares, to: slices, on: world)
  try counting("a sum of doubles", ReduceScatter<Double>.traffic(of: shares, to: slices)) {
    for microBatch in reduction.leaves {
      let vector = try reduction.begin(microBatch: microBatch, on: world)
      for start in stride(from: (d - 1) / 7 * 7, through: 0, by: -7) {
        for i in start..<min(start + 7, d) { vector[i] = value(microBatch, i) }
        try reduction.advance(to: start, on: world)
      }
    }
    _ = whole[slices[rank]].update(fromContentsOf: try reduction.finish(on: world))
  }
  try counting("a gather of doubles", AllGather<Double>.traffic(slices)) {
    try world.allGather(whole.all, slices: slices)
  }
  for i in 0..<d { try check(whole.pointer[i] == sum(i), "sum of doubles at \(i) of \(d)") }

  let all = AllReduce<Double>(count: d, of: shares, on: world)
  whole.all.update(repeating: .nan)
  try all.begin(on: world) { index, vector in
    for i in 0..<d { vector[i] = value(reduction.leaves.lowerBound + index, i) }
  }
  try all.scatter(into: whole.pointer, on: world)
  try all.finish(into: whole.pointer, on: world)
  for i in 0..<d { try check(whole.pointer[i] == sum(i), "all doubles at \(i) of \(d)") }

  let rows = RowExchange<Double>(slices, on: world)
  let row = (0..<d).map { value(rank, $0) }
  try counting("rows of doubles", RowExchange<Double>.traffic(slices, rows: world.size)) {
    try row.withUnsafeBufferPointer { row in
      try rows.exchange(row, rows: world.size, on: world) { source, part in
        try check(
          part.elementsEqual(slices[rank].lazy.map { value(source, $0) }),
          "doubles of rank \(source)'s row of \(d)")
      }
    }
  }

  // Each rank moves a range to the next rank.
  let moves = slices.enumerated().map {
    RangeExchange<Double>.Move($1, from: $0, to: ($0 + 1) % world.size)
  }
  let exchange = RangeExchange<Double>(moves, on: world)
  whole.all.update(repeating: .nan)
  try counting("ranges of doubles", RangeExchange<Double>.traffic(moves, ranks: world.size)) {
    try row.withUnsafeBufferPointer { row in
      try exchange.exchange(
        from: { UnsafeBufferPointer(rebasing: row[$0]) }, into: { whole[$0] }, on: world)
    }
  }
  let source = (rank + world.size - 1) % world.size
  for i in slices[source] {
    try check(whole.pointer[i] == value(source, i), "a range of doubles at \(i) of \(d)")
  }
}
