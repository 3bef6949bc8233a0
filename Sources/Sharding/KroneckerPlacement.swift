/// Assigns Kronecker factors to the ranks that invert them, and layers to the ranks that
/// precondition them. It is pure arithmetic on sizes.
///
/// The p ranks form groups of consecutive ranks, as equal in size as possible. All ranks of one
/// group, the layer's workers, precondition a layer. One worker inverts each of its two factors and
/// sends the inverse to the other workers. Every other rank receives its slice of the layer's
/// direction from one of the workers.
///
/// With one group, all ranks hold all inverses, and only gradients cross the network between two
/// inversions. With one group per rank, every inverse is held once.
///
/// Layers are assigned to groups, and factors to ranks, in decreasing order of inversion cost; each
/// goes to the group or rank with the smallest load.
///
/// Pauloski and others, "KAISA: An adaptive second-order optimizer framework for deep neural
/// networks", 2021: the share F of the ranks that work on a layer.
package struct KroneckerPlacement: Sendable, Equatable {
  /// Describes one of a layer's factors.
  package struct Factor: Sendable, Equatable {
    /// Numbers that are exchanged: n(n + 1)/2 for a triangle, n for a diagonal.
    package let count: Int
    /// Cost of the inversion: n³ for an n×n matrix, n for a diagonal. Costs are only compared with
    /// one another.
    package let cost: Int

    /// Creates a factor's description.
    package init(count: Int, cost: Int) {
      self.count = count
      self.cost = cost
    }
  }

  /// The ranks that precondition each layer.
  package let workers: [Range<Int>]
  /// The rank that inverts each factor, by layer and factor.
  package let owners: [[Int]]
  /// The range of each factor, by layer and factor, in the vector of all factors. Factors with the
  /// same owner are contiguous.
  package let ranges: [[Range<Int>]]
  /// Each rank's range of that vector.
  package let slices: [Range<Int>]

  /// Computes the placement.
  ///
  /// - Parameters:
  ///   - layers: the factors of each layer.
  ///   - ranks: p.
  ///   - workerShare: F in (0, 1], the share of the ranks that precondition a layer; at least one
  ///     rank does.
  package init(of layers: [[Factor]], over ranks: Int, workerShare: Double) {
    precondition(workerShare > 0 && workerShare <= 1, "a share of \(workerShare) of the ranks")
    let size = max(1, Int((workerShare * Double(ranks)).rounded()))
    let groups = Partition(of: ranks, over: (ranks + size - 1) / size)

    var load = [Int](repeating: 0, count: ranks)
    func meanLoad(_ group: Int) -> Double {
      let members = groups.range(of: group)
      return Double(load[members].reduce(0, +)) / Double(members.count)
    }
    func cost(_ layer: Int) -> Int { layers[layer].reduce(0) { $0 + $1.cost } }
    /// Returns 0..<count in decreasing order of cost; equal costs keep their order.
    func ordered(_ count: Int, by cost: (Int) -> Int) -> [Int] {
      (0..<count).sorted { (cost($1), $0) < (cost($0), $1) }
    }
    var workers = [Range<Int>](repeating: 0..<0, count: layers.count)
    var owners = layers.map { [Int](repeating: 0, count: $0.count) }
    for layer in ordered(layers.count, by: cost) {
      let group = (0..<groups.ranks).min { (meanLoad($0), $0) < (meanLoad($1), $1) }!
      workers[layer] = groups.range(of: group)
      for factor in ordered(layers[layer].count, by: { layers[layer][$0].cost }) {
        let owner = workers[layer].min { (load[$0], $0) < (load[$1], $1) }!
        owners[layer][factor] = owner
        load[owner] += layers[layer][factor].cost
      }
    }

    var ranges = layers.map { [Range<Int>](repeating: 0..<0, count: $0.count) }
    var slices: [Range<Int>] = []
    var end = 0
    for rank in 0..<ranks {
      let start = end
      for layer in layers.indices {
        for factor in layers[layer].indices where owners[layer][factor] == rank {
          ranges[layer][factor] = end..<end + layers[layer][factor].count
          end += layers[layer][factor].count
        }
      }
      slices.append(start..<end)
    }
    self.workers = workers
    self.owners = owners
    self.ranges = ranges
    self.slices = slices
  }

  /// Returns the worker that sends `rank` its slice of a layer's direction; a worker serves itself.
  package func worker(ofLayer layer: Int, serving rank: Int) -> Int {
    let workers = workers[layer]
    return workers.contains(rank) ? rank : workers.lowerBound + rank % workers.count
  }
}
