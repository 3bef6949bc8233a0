import Sharding
import Testing

/// Makes the exchanges of a plan in memory, rank by rank.
@Suite struct ClimbTests {
  /// Returns a number whose sums depend on the order of their additions.
  private func number(_ leaf: Int, _ index: Int) -> Float {
    var bits = UInt64(leaf) << 32 | UInt64(index + 1)
    for multiplier: UInt64 in [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9] {
      bits &*= multiplier
      bits ^= bits >> 31
    }
    return Float(Int64(bitPattern: bits)) * 0x1p-63 * Float(1 << (bits & 7))
  }

  private func slices(_ d: Int, over ranks: Int) -> [Range<Int>] {
    let partition = Partition(of: d, over: ranks)
    return (0..<ranks).map(partition.range(of:))
  }

  /// A value of a node on an interval that begins at `start`.
  private struct Value {
    let start: Int
    let numbers: [Float]

    func numbers(of range: Range<Int>) -> ArraySlice<Float> {
      numbers[range.lowerBound - start..<range.upperBound - start]
    }
  }

  /// The place of a node's value before a stage.
  private struct Place: Hashable {
    let rank: Int
    let group: Int
    let node: Int
  }

  /// Sums `leaves` vectors [d] over ranks as planned.
  private func sum(_ d: Int, leaves: Int, ranks: Int) throws -> [[Float]] {
    let shares = Partition(of: leaves, over: ranks)
    let climb = Climb(of: shares, to: slices(d, over: ranks))
    var held: [Place: Value] = [:]
    for rank in 0..<ranks {
      var tree = FixedTree<[Float]>(leaves: leaves) { zip($0, $1).map(+) }
      for leaf in shares.range(of: rank) {
        tree.add(leaf: leaf, (0..<d).map { number(leaf, $0) })
      }
      let parts = climb.parts(of: rank, stage: 1)
      #expect(parts.flatMap(\.nodes) == tree.nodes.map(\.node))
      var nodes = tree.nodes.map(\.value)[...]
      for part in parts {
        for node in part.nodes.indices {
          held[Place(rank: rank, group: part.group, node: node)] = Value(
            start: 0, numbers: nodes.removeFirst())
        }
      }
    }
    var result: [[Float]] = []
    for stage in 1...climb.stages {
      var (next, sent, received) = ([Place: Value](), [[Int]: Int](), [[Int]: Int]())
      for rank in 0..<ranks {
        for part in climb.parts(of: rank, stage: stage) {
          for piece in part.targets {
            sent[[rank, piece.rank, part.group] + [piece.range.lowerBound, piece.range.count]] =
              part.nodes.count
          }
        }
        let meetings = climb.meetings(of: rank, stage: stage)
        for meeting in meetings {
          var tree = FixedTree<[Float]>(leaves: leaves) { zip($0, $1).map(+) }
          for operand in meeting.operands {
            var numbers: [Float] = []
            for piece in operand.pieces {
              #expect(piece.range.lowerBound == meeting.interval.lowerBound + numbers.count)
              let place = Place(rank: piece.rank, group: operand.group, node: operand.place)
              numbers += try #require(held[place]).numbers(of: piece.range)
              let message = [piece.rank, rank, operand.group]
              received[message + [piece.range.lowerBound, piece.range.count], default: 0] += 1
            }
            #expect(numbers.count == meeting.interval.count)
            tree.add(operand.node, numbers)
          }
          try #require(tree.nodes.count == 1)
          next[Place(rank: rank, group: meeting.group, node: 0)] = Value(
            start: meeting.interval.lowerBound, numbers: tree.nodes[0].value)
          if stage == climb.stages { result.append(tree.root) }
        }
      }
      // All messages that are sent are received.
      #expect(sent == received)
      held = next
    }
    return result
  }

  @Test("every number of ranks obtains the tree's bits") func bits() throws {
    for ranks in 1...130 {
      for leaves in Set([ranks, ranks + 1, 2 * ranks - 1, 256]) where leaves >= ranks {
        // Fewer numbers than ranks, too.
        let d = ranks % 3 == 0 ? 11 : 307
        var tree = FixedTree<[Float]>(leaves: leaves) { zip($0, $1).map(+) }
        for leaf in 0..<leaves { tree.add(leaf: leaf, (0..<d).map { number(leaf, $0) }) }
        let sums = try sum(d, leaves: leaves, ranks: ranks)
        #expect(
          sums.flatMap { $0 }.map(\.bitPattern) == tree.root.map(\.bitPattern),
          "\(leaves) leaves over \(ranks) ranks")
      }
    }
  }

  @Test("ranks without leaves obtain their slices") func idleRanks() throws {
    for (ranks, leaves) in [(3, 1), (20, 9), (70, 33)] {
      var tree = FixedTree<[Float]>(leaves: leaves) { zip($0, $1).map(+) }
      for leaf in 0..<leaves { tree.add(leaf: leaf, (0..<100).map { number(leaf, $0) }) }
      #expect(try sum(100, leaves: leaves, ranks: ranks).flatMap { $0 } == tree.root)
    }
  }

  @Test("every rank gathers the whole vector") func gathering() {
    for ranks in Array(1...130) + [512] {
      let d = ranks % 3 == 0 ? 11 : 307
      let slices = slices(d, over: ranks)
      let climb = Climb(of: Partition(of: ranks, over: ranks), to: slices)
      var held = slices.map { slice in (0..<d).map(slice.contains) }
      for stage in (1...climb.stages).reversed() {
        var next = held
        var (sent, received) = (Set<[Int]>(), Set<[Int]>())
        for rank in 0..<ranks {
          let (from, to) = climb.gathering(of: rank, stage: stage)
          for piece in from {
            received.insert([piece.rank, rank, piece.range.lowerBound, piece.range.upperBound])
            for i in piece.range {
              #expect(held[piece.rank][i])
              next[rank][i] = true
            }
          }
          for piece in to {
            sent.insert([rank, piece.rank, piece.range.lowerBound, piece.range.upperBound])
          }
        }
        #expect(sent == received)
        held = next
      }
      #expect(held.allSatisfy { !$0.contains(false) }, "\(ranks) ranks")
    }
  }

  @Test("messages grow with the logarithm of the ranks", arguments: [64, 256, 1024])
  func messages(ranks: Int) {
    let d = 10_000_000
    let climb = Climb(of: Partition(of: ranks, over: ranks), to: slices(d, over: ranks))
    let logarithm = ranks.trailingZeroBitCount
    for rank in stride(from: 0, to: ranks, by: 7) {
      let pieces = (1...climb.stages).flatMap { stage in
        climb.parts(of: rank, stage: stage).flatMap(\.targets).filter { $0.rank != rank }
      }
      #expect(pieces.count <= 2 * logarithm)
      #expect(pieces.reduce(0) { $0 + $1.range.count } < d * 21 / 20)
    }
  }
}
