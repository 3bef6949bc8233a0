import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Holds the inputs of a search for a better mask of the same sparsity, by a model of the whole
/// matrix.
struct MaskSearch<Element: Scalar> {
  /// Maximum number of minima to compute.
  var largestCount: Int { 60 }
  /// Returns the smallest decrease of a minimum that counts; a smaller one may be rounding.
  func leastGain(_ minimum: Double) -> Double { 1e-12 * minimum.magnitude }

  let surgeon: BrainSurgeon<Element>
  let selection: Selection
  let sparsity: Double
  /// A mask whose removed weights stay removed.
  let previous: Mask
  let world: Communicator

  init(
    by surgeon: BrainSurgeon<Element>, _ selection: Selection, sparsity: Double,
    after previous: Mask,
    on world: Communicator
  ) {
    precondition(!surgeon.isBlockwise, "a search by a model of blocks")
    (self.surgeon, self.selection, self.sparsity) = (surgeon, selection, sparsity)
    (self.previous, self.world) = (previous, world)
  }

  /// Returns the mask that removes the smallest scores. Collective.
  func mask(ofLeast scores: [Double]) throws -> Mask {
    try selection.mask(
      removing: sparsity, bySaliency: scores, after: previous, partition: surgeon.partition,
      on: world)
  }

  /// Returns true if two masks differ on any rank. Collective.
  func differ(_ left: Mask, _ right: Mask) throws -> Bool {
    try world.allGather(left != right ? 1 : 0).contains(1)
  }
}

/// Improves a mask by exchanging removed weights for kept ones while the model's minimum decreases.
///
/// The search first exchanges many weights at a time, each ranked by its effect alone. It halves
/// their number when the exact minimum does not decrease. Then it exchanges pairs by their exact
/// effect, among the best candidates of each side. The number of removed weights stays the same,
/// per tensor too if the scope prescribes it.
struct MaskExchange<Element: Scalar> {
  /// Number of weights per side that are compared pair by pair.
  static var pairCandidates: Int { 128 }

  private let search: MaskSearch<Element>
  private var surgeon: BrainSurgeon<Element> { search.surgeon }
  private var selection: Selection { search.selection }
  private var previous: Mask { search.previous }
  private var world: Communicator { search.world }
  private var slice: Range<Int> { previous.slice }

  init(_ search: MaskSearch<Element>) { self.search = search }

  /// Holds a mask and the solution of its model.
  private struct Solved {
    let mask: Mask
    let model: SurgeonModel
    /// Coordinates of this rank's slice.
    let coordinates: [SurgeonModel.Coordinate]
    /// The cost of removing a kept weight, or the gain of keeping a removed one; nil if the weight
    /// may not change sides. The scale is the same for both sides: the smallest k are the best to
    /// remove.
    let marginals: [Double?]
  }

  private func solved(_ mask: Mask) throws -> Solved {
    let (model, coordinates) = try surgeon.solved(removing: mask.isRemoved, on: world)
    guard let model else { preconditionFailure("a matrix without coordinates") }
    var marginals = [Double?](repeating: nil, count: slice.count)
    for tensor in selection.prunable {
      for i in tensor.range.clamped(to: slice).map({ $0 - slice.lowerBound })
      where previous.isKept[i] {
        marginals[i] = mask.isKept[i] ? coordinates[i].cost : coordinates[i].gain
      }
    }
    return Solved(mask: mask, model: model, coordinates: coordinates, marginals: marginals)
  }

  /// Returns the improved mask, of the same sparsity. Collective.
  func improved(_ mask: Mask) throws -> Mask {
    var current = try solved(mask)
    var solutions = 1
    var isPairwise = false
    let sides = try count(current)
    // The first exchange replaces a quarter of the smaller side.
    var size = min(sides.kept, sides.removed) / 4
    while solutions < search.largestCount {
      if size < Self.pairCandidates / 4 { isPairwise = true }
      let next =
        isPairwise ? try exchangedPairs(current, sides) : try exchanged(size, of: current, sides)
      guard let next else {
        if isPairwise { break }
        isPairwise = true
        continue
      }
      let trial = try solved(next)
      solutions += 1
      if trial.model.value < current.model.value - search.leastGain(current.model.value) {
        current = trial
      } else if isPairwise {
        break
      } else {
        size /= 2
      }
    }
    return current.mask
  }

  /// Returns the number of weights on each side that may change it, over all ranks.
  private func count(_ solved: Solved) throws -> (kept: Int, removed: Int) {
    var local = [0.0, 0]
    for (marginal, isKept) in zip(solved.marginals, solved.mask.isKept) where marginal != nil {
      local[isKept ? 0 : 1] += 1
    }
    // Counts are exact in any order.
    let all = try local.withUnsafeMutableBufferPointer {
      try TreeSum(Partition(of: world.size, over: world.size), rank: world.rank)
        .total(of: $0, width: 2, on: world)
    }
    return (Int(all[0]), Int(all[1]))
  }

  /// Returns this rank's coordinates of the `size` kept weights of the least cost and removed
  /// weights of the largest gain, in ascending order.
  private func best(
    _ size: Int, of solved: Solved, _ sides: (kept: Int, removed: Int)
  ) throws -> [Int] {
    var chosen: [Int] = []
    for isKept in [true, false] {
      let local = slice.indices.filter {
        solved.mask.isKept[$0 - slice.lowerBound] == isKept
          && solved.marginals[$0 - slice.lowerBound] != nil
      }
      let keys = local.map { i in
        let marginal = solved.marginals[i - slice.lowerBound]!
        // Adding to 0 or subtracting from 0 never gives −0.
        return RadixSelect.key(of: isKept ? 0 + marginal : 0 - marginal)
      }
      let selected = try RadixSelect(
        min(size, isKept ? sides.kept : sides.removed),
        of: zip(keys, local).map { ($0, $1, 1) }, on: world)
      guard let selected else { continue }
      chosen += zip(local, keys).filter { selected.selects($1, at: $0) }.map(\.0)
    }
    return chosen.sorted()
  }

  /// Exchanges up to `size` weights of each side, each ranked by its effect alone. Returns nil if
  /// the mask does not change.
  private func exchanged(
    _ size: Int, of solved: Solved, _ sides: (kept: Int, removed: Int)
  ) throws -> Mask? {
    // All other weights stay on their side.
    var scores = solved.mask.isKept.map {
      $0 ? Double.greatestFiniteMagnitude : -Double.greatestFiniteMagnitude
    }
    for i in try best(size, of: solved, sides) {
      scores[i - slice.lowerBound] = solved.marginals[i - slice.lowerBound]!
    }
    let mask = try search.mask(ofLeast: scores)
    return try search.differ(mask, solved.mask) ? mask : nil
  }

  /// Exchanges pairs, each by its exact effect after the exchanges before it. Returns nil if no
  /// pair gains.
  private func exchangedPairs(
    _ solved: Solved, _ sides: (kept: Int, removed: Int)
  ) throws -> Mask? {
    let candidates = try best(Self.pairCandidates, of: solved, sides)
    let m = surgeon.rows.count
    // One row per weight: coordinate, side, β̃, column of G [m].
    let width = m + 3
    var numbers: [Double] = []
    for i in candidates {
      let local = i - slice.lowerBound
      numbers += [Double(i), solved.mask.isKept[local] ? 1 : 0, solved.coordinates[local].weight]
      numbers += surgeon.rows.columns(local..<local + 1)
    }
    let counts = try world.allGather(Double(candidates.count)).map { Int($0) * width }
    var all = [Double](repeating: 0, count: counts.reduce(0, +))
    try world.allGather(numbers, counts: counts, into: &all)

    let n = all.count / width
    let columns = (0..<n).map { Array(all[$0 * width + 3..<($0 + 1) * width]) }
    let solutions = columns.map(solved.model.solve)
    var leverages = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0...i {
        var sum = 0.0
        for row in 0..<m { sum += columns[i][row] * solutions[j][row] }
        (leverages[i * n + j], leverages[j * n + i]) = (sum, sum)
      }
    }
    let coordinates = (0..<n).map { Int(all[$0 * width]) }
    let tensors = coordinates.map { coordinate in
      selection.tensors.firstIndex { $0.range.contains(coordinate) }!
    }
    var room = try removable(solved.mask)
    var pairs = PairExchanges(
      isKept: (0..<n).map { all[$0 * width + 1] == 1 },
      weights: (0..<n).map { all[$0 * width + 2] },
      leverages: leverages, damping: surgeon.damping)
    let before = pairs.isKept
    pairs.descend(least: search.leastGain(solved.model.value)) { i, j in
      tensors[i] == tensors[j] || (selection.scope == .global && room[tensors[i]] > 0)
    } made: { i, j in
      room[tensors[i]] -= 1
      room[tensors[j]] += 1
    }
    guard pairs.isKept != before else { return nil }
    var mask = solved.mask
    for (place, coordinate) in coordinates.enumerated() where slice.contains(coordinate) {
      mask.isKept[coordinate - slice.lowerBound] = pairs.isKept[place]
    }
    return mask
  }

  /// Returns how many more weights each tensor may lose.
  private func removable(_ mask: Mask) throws -> [Int] {
    let kept = try mask.keptCounts(of: selection.tensors, on: world)
    return zip(selection.tensors, kept).map { tensor, kept in
      selection.largestCount(of: tensor) - (tensor.range.count - kept)
    }
  }
}
