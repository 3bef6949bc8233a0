import Curvature
import MPI
import Sharding

extension BrainSurgeon {
  /// What the removal of all weights of a group together adds to the minimum, with `removed`
  /// removed and the others at the model's minimum; for a matrix that is taken whole. Collective.
  ///
  /// - Parameters:
  ///   - groups: of the vector [d], one after another.
  ///   - slices: every rank's.
  /// - Returns: for each weight of the slice, that of the group that begins there, else 0.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func costs(
    ofGroups groups: [Range<Int>], removing removed: [Bool], slices: [Range<Int>],
    on world: Communicator
  ) throws -> [Double] {
    precondition(!isBlockwise, "groups across the blocks of a matrix")
    var model: SurgeonModel?
    _ = try minimum(removing: removed, on: world) { model = $1 }
    let slice = slices[world.rank]
    let m = rows.count

    // Whether it is kept, its weight and its column.
    func numbers(of group: Range<Int>) -> [Double] {
      let local = group.clamped(to: slice)
      guard !local.isEmpty else { return [] }
      let first = slice.lowerBound
      let columns = rows.columns(local.lowerBound - first..<local.upperBound - first)
      return local.flatMap { i in
        let start = (i - local.lowerBound) * m
        return [removed[i - first] ? 0 : 1, Double(weights.pointer[i - first])]
          + columns[start..<start + m]
      }
    }
    // Those that lie on several ranks go to all of these in turn; the one that has the first weight
    // keeps them.
    var gathered: [Int: [Double]] = [:]
    for group in groups {
      let counts = slices.map { $0.clamped(to: group).count * (m + 2) }
      guard counts.count(where: { $0 > 0 }) > 1 else { continue }
      var all = [Double](repeating: 0, count: group.count * (m + 2))
      try world.allGather(numbers(of: group), counts: counts, into: &all)
      if slice.contains(group.lowerBound) { gathered[group.lowerBound] = all }
    }
    var costs = [Double](repeating: 0, count: slice.count)
    try world.agree {
      for group in groups where slice.contains(group.lowerBound) {
        let all = gathered[group.lowerBound] ?? numbers(of: group)
        var (columns, weights): ([Double], [Double]) = ([], [])
        for start in stride(from: 0, to: all.count, by: m + 2) where all[start] == 1 {
          weights.append(all[start + 1])
          columns += all[start + 2..<start + 2 + m]
        }
        guard let model, !weights.isEmpty else { continue }
        costs[group.lowerBound - slice.lowerBound] = try named(damping) {
          try model.cost(ofGroup: columns, weights: weights)
        }
      }
    }
    return costs
  }

  /// Bytes that groups take on a rank beside what it takes anyway, at most: one that is worked on,
  /// and those that lie on two ranks.
  public static func groupBytes(count m: Int, groups: [Range<Int>]) -> Int {
    guard let largest = groups.map(\.count).max() else { return 0 }
    return SurgeonModel.groupBytes(count: m, group: largest) + 2 * 8 * (m + 2) * largest
  }
}
