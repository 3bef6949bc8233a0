/// Plans how ranks sum vectors [d] in a fixed tree, or gather a vector's slices, in stages that
/// climb the tree over the ranks.
///
/// Up to eight ranks exchange directly: each sends the others their slices. More ranks climb. In
/// the first stage neighbours in groups of about eight exchange, and each obtains a part of the
/// group's sum; in each further stage four groups become one, and its ranks obtain smaller parts.
/// In the last stage every rank obtains its slice of the whole sum:
///
///     leaves    M, divided among the ranks            group    the ranks with leaves of a node
///     stage 0   a rank has its leaves' nodes, [d]     stage s  a rank has ~ [d/(8·4ˢ⁻¹)] of a node
///
/// A rank sends at most 7 + 3 log₄(p/8) + 4 messages and about d numbers. With neighbours on one
/// machine, only d/8 numbers of each leave it. Gathering takes the same way backwards.
///
/// The plan follows from sizes alone, and every value is that of a node of the tree: so the sum has
/// the same bits at any number of ranks.
///
/// Rabenseifner, 2004: halving and doubling. Thakur, Rabenseifner and Gropp, 2005.
public struct Climb: Sendable {
  /// Describes the ranks that hold a part of the tree together.
  public struct Group: Sendable {
    /// The leaves of the part.
    public let leaves: Range<Int>
    /// Its complete nodes: one from the first stage on.
    public let nodes: [TreeNode]
    /// The ranks in the order of their intervals of the vector.
    public let members: [Int]
    /// The part's groups of the stage before, as indices.
    let children: Range<Int>
    /// The first coordinate of each member's interval, then d.
    let cuts: [Int]
  }

  /// Describes a value that a rank needs in order to join it with others: that of a node, on the
  /// rank's interval, in pieces from one or more ranks.
  public struct Operand: Sendable {
    /// The node's group in the stage before, and the node's place in it.
    public let group: Int
    public let place: Int
    public let node: TreeNode
    public let pieces: [Piece]
  }

  /// Describes a range of the vector, and the rank that it comes from or goes to.
  public struct Piece: Equatable, Sendable {
    public let rank: Int
    public let range: Range<Int>

    /// Creates a piece.
    public init(rank: Int, range: Range<Int>) {
      self.rank = rank
      self.range = range
    }
  }

  /// Describes what a rank computes in a stage: a group's value on an interval.
  public struct Meeting: Sendable {
    public let group: Int
    public let interval: Range<Int>
    public let operands: [Operand]
  }

  private struct Membership {
    let rank: Int
    let group: Int
    /// The rank's place among the group's members.
    let place: Int
  }

  /// The number of ranks in groups of the first stage; and how many of its groups make one of the
  /// next.
  static let (first, fan) = (8, 4)

  /// The groups of each stage but the last.
  private let groups: [[Group]]
  /// The leaves of a group in each stage, as a power of two.
  private let levels: [Int]
  private let slices: [Range<Int>]
  /// The memberships of each stage, in the order of the ranks.
  private let memberships: [[Membership]]

  /// The number of ranks, p.
  public var ranks: Int { slices.count }

  /// The number of stages.
  public var stages: Int { groups.count }

  /// Plans a sum of vectors of `leaves`.
  ///
  /// - Parameters:
  ///   - leaves: assigns leaves to ranks.
  ///   - slices: every rank's range of the sum; the ranges are consecutive and cover 0 to d.
  public init(of leaves: Partition, to slices: [Range<Int>]) {
    self.slices = slices
    let holders = min(leaves.ranks, leaves.items)
    var levels = [0]
    var wanted = Self.first
    while wanted < holders {
      // The smallest nodes that span so many ranks.
      var level = levels.last! + 1
      while (1 << level) * holders < wanted * leaves.items { level += 1 }
      guard 1 << level < leaves.items else { break }
      levels.append(level)
      wanted *= Self.fan
    }
    self.levels = levels
    groups = Self.groups(leaves, levels: levels, slices)
    memberships = groups.map { groups in
      groups.enumerated().flatMap { index, group in
        group.members.enumerated().map { Membership(rank: $1, group: index, place: $0) }
      }.sorted { ($0.rank, $0.group) < ($1.rank, $1.group) }
    }
  }

  /// Returns the groups that a rank is a member of: at most two, as its leaves are consecutive.
  private func memberships(of rank: Int, stage: Int) -> ArraySlice<Membership> {
    let all = memberships[stage]
    let first = Self.firstIndex(in: all.count) { all[$0].rank >= rank }
    return all[first...].prefix { $0.rank == rank }
  }

  private static func groups(
    _ shares: Partition, levels: [Int], _ slices: [Range<Int>]
  ) -> [[Group]] {
    let bounds = slices.map(\.lowerBound) + [slices.last!.upperBound]
    var cuts: [Int: [Int]] = [:]
    func group(_ leaves: Range<Int>, _ members: [Int], _ children: Range<Int>) -> Group {
      let count = members.count
      let parts = cuts[count] ?? (0...count).map { Self.cut($0, of: count, bounds) }
      cuts[count] = parts
      return Group(
        leaves: leaves, nodes: FixedTree.cover(leaves, of: shares.items), members: members,
        children: children, cuts: parts)
    }
    // A rank's leaves, cut where groups of the first stage end.
    var stage: [Group] = []
    let width = levels.count > 1 ? 1 << levels[1] : max(shares.items, 1)
    for rank in 0..<shares.ranks {
      var rest = shares.range(of: rank)
      while !rest.isEmpty {
        let end = min(rest.upperBound, (rest.lowerBound / width + 1) * width)
        stage.append(group(rest.lowerBound..<end, [rank], 0..<0))
        rest = end..<rest.upperBound
      }
    }
    var stages = [stage]
    for level in levels.dropFirst() {
      var (next, start) = ([Group](), 0)
      while start < stage.count {
        let node = stage[start].leaves.lowerBound >> level
        let end = stage[start...].firstIndex { $0.leaves.lowerBound >> level > node } ?? stage.count
        let leaves = stage[start].leaves.lowerBound..<stage[end - 1].leaves.upperBound
        next.append(group(leaves, merged(stage[start..<end].map(\.members)), start..<end))
        start = end
      }
      stages.append(next)
      stage = next
    }
    return stages
  }

  /// Returns the members of groups in the order of the intervals that they have: so a member of the
  /// union obtains a part of its own interval, or of a neighbour's.
  private static func merged(_ groups: [[Int]]) -> [Int] {
    let places = groups.enumerated().flatMap { index, members in
      members.enumerated().map { place, rank in
        (rank: rank, start: Double(place) / Double(members.count), group: index)
      }
    }.sorted { ($0.start, $0.group) < ($1.start, $1.group) }
    var seen: Set<Int> = []
    return places.map(\.rank).filter { seen.insert($0).inserted }
  }

  /// Returns the interval of a group's member: all coordinates in stage 0.
  private func interval(_ stage: Int, _ group: Int, _ place: Int) -> Range<Int> {
    let cuts = groups[stage][group].cuts
    return cuts[place]..<cuts[place + 1]
  }

  /// Returns where part `place` of `count` about equal parts begins: where a slice begins if one
  /// does nearby, so that slices are cut into few pieces.
  private static func cut(_ place: Int, of count: Int, _ bounds: [Int]) -> Int {
    let length = bounds.last!
    guard place < count else { return length }
    let even = length * place / count
    let next = firstIndex(in: bounds.count) { bounds[$0] >= even }
    let nearest = [next - 1, next].filter(bounds.indices.contains).map { bounds[$0] }
      .min { abs($0 - even) < abs($1 - even) }!
    return abs(nearest - even) <= length / (4 * count) ? nearest : even
  }

  /// Returns the first of `count` indices for which a condition holds that holds for all later ones
  /// too; `count` if there is none.
  private static func firstIndex(in count: Int, where holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Returns the members of a group that hold parts of a range, and these parts.
  private func holders(_ stage: Int, _ group: Int, of range: Range<Int>) -> [Piece] {
    let (members, cuts) = (groups[stage][group].members, groups[stage][group].cuts)
    return Self.pieces(of: range, in: members.count) {
      Piece(rank: members[$0], range: cuts[$0]..<cuts[$0 + 1])
    }
  }

  /// Returns the ranks whose slices hold parts of a range, and these parts.
  private func owners(of range: Range<Int>) -> [Piece] {
    Self.pieces(of: range, in: slices.count) { Piece(rank: $0, range: slices[$0]) }
  }

  /// Returns the parts of a range that lie in any of `count` consecutive pieces.
  private static func pieces(
    of range: Range<Int>, in count: Int, _ piece: (Int) -> Piece
  ) -> [Piece] {
    guard !range.isEmpty else { return [] }
    let first = firstIndex(in: count) { piece($0).range.upperBound > range.lowerBound }
    return (first..<count).lazy.map(piece).prefix { $0.range.lowerBound < range.upperBound }
      .map { Piece(rank: $0.rank, range: $0.range.clamped(to: range)) }
      .filter { !$0.range.isEmpty }
  }

  /// Returns what a rank computes in a stage, from 1 to `stages`; in the last one its slice.
  public func meetings(of rank: Int, stage: Int) -> [Meeting] {
    func meeting(_ group: Int, _ children: Range<Int>, _ interval: Range<Int>) -> Meeting {
      Meeting(
        group: group, interval: interval,
        operands: children.flatMap { child in
          groups[stage - 1][child].nodes.enumerated().map { place, node in
            Operand(
              group: child, place: place, node: node,
              pieces: holders(stage - 1, child, of: interval))
          }
        })
    }
    guard stage < stages else { return [meeting(0, groups[stage - 1].indices, slices[rank])] }
    return memberships(of: rank, stage: stage).map {
      meeting($0.group, groups[stage][$0.group].children, interval(stage, $0.group, $0.place))
    }
  }

  /// Returns the parts that a rank holds of groups of the stage before `stage`, and to whom each
  /// goes in `stage`, itself included.
  public func parts(
    of rank: Int, stage: Int
  ) -> [(group: Int, interval: Range<Int>, nodes: [TreeNode], targets: [Piece])] {
    memberships(of: rank, stage: stage - 1).map { membership in
      let group = membership.group
      let interval = interval(stage - 1, group, membership.place)
      let targets =
        stage == stages
        ? owners(of: interval)
        : holders(stage, parent(of: group, in: stage - 1), of: interval)
      return (group, interval, groups[stage - 1][group].nodes, targets)
    }
  }

  private func parent(of group: Int, in stage: Int) -> Int {
    let leaf = groups[stage][group].leaves.lowerBound
    return leaf >> levels[stage + 1]
  }
}

extension Climb {
  /// Returns from whom a rank obtains what it needs of a gathered vector in a stage, and to whom it
  /// gives of what it has. Stages count from `stages` to 1. In the first step each rank has its
  /// slice; after the last one it has all.
  ///
  /// - Precondition: each rank has one leaf.
  public func gathering(of rank: Int, stage: Int) -> (from: [Piece], to: [Piece]) {
    let below = memberships(of: rank, stage: stage - 1).first!
    let wanted = interval(stage - 1, below.group, below.place)
    guard stage < stages else {
      return (
        owners(of: wanted),
        groups[stage - 1].indices.flatMap { holders(stage - 1, $0, of: slices[rank]) }
      )
    }
    let local = memberships(of: rank, stage: stage).first!
    let held = interval(stage, local.group, local.place)
    return (
      holders(stage, local.group, of: wanted),
      groups[stage][local.group].children.flatMap { holders(stage - 1, $0, of: held) }
    )
  }
}
