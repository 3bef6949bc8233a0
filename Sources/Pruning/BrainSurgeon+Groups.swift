import Curvature
import MPI
import Sharding

extension BrainSurgeon {
  /// Returns the cost of removing each group of weights together: the increase of the model's
  /// minimum. The weights in `removed` are zero and the others at the minimum. Only for the whole
  /// matrix. Collective.
  ///
  /// - Parameters:
  ///   - groups: ranges of the vector [d], in ascending order.
  ///   - slices: every rank's.
  /// - Returns: for each weight of the slice, the cost of the group that begins there, or 0.
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

    // For each weight: 1 if it is kept, the weight, its column of G [m].
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
    // A group across several ranks is gathered on all of them. The rank with its first weight keeps
    // the result.
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

  /// Returns an upper bound on the additional bytes per rank for groups: one in progress and those
  /// across two ranks.
  public static func groupBytes(count m: Int, groups: [Range<Int>]) -> Int {
    guard let largest = groups.map(\.count).max() else { return 0 }
    return SurgeonModel.groupBytes(count: m, group: largest) + 2 * 8 * (m + 2) * largest
  }
}
