/// Who inverts which Kronecker factor and who preconditions which layer: pure arithmetic, from
/// sizes alone.
///
/// The p ranks form groups of consecutive ranks, as even as can be. A layer is preconditioned by
/// every rank of one group, its workers; of these, one inverts each of its two factors and gives
/// the inverse to the others. Every other rank is given its slice of the layer's direction by one
/// of the workers. With one group, all ranks hold all inverses and nothing but gradients crosses
/// the network between two inversions; with a group for each rank, every inverse is held once.
///
/// Layers go to groups and factors to ranks by what an inversion costs, the largest first, each to
/// whoever has least.
///
/// Pauloski and others, "KAISA: An adaptive second-order optimizer framework for deep neural
/// networks", 2021: the share F of the ranks that work on a layer.
public struct KroneckerPlacement: Sendable, Equatable {
  /// One of a layer's factors.
  public struct Factor: Sendable, Equatable {
    /// Numbers that are exchanged: n(n + 1)/2 of a triangle, n of a diagonal.
    public let count: Int
    /// Of its inversion: n³ of a matrix n×n, n of a diagonal.
    public let cost: Int

    /// Costs are compared with one another alone.
    public init(count: Int, cost: Int) {
      self.count = count
      self.cost = cost
    }
  }

  /// Of each layer the ranks that precondition it.
  public let workers: [Range<Int>]
  /// Of each layer and each of its factors the rank that inverts it.
  public let owners: [[Int]]
  /// Of each layer and each of its factors its range in the vector of all factors, in which those
  /// of a rank lie together.
  public let ranges: [[Range<Int>]]
  /// Of each rank its range of that vector.
  public let slices: [Range<Int>]

  /// - Parameters:
  ///   - layers: of each layer its factors.
  ///   - ranks: p
  ///   - workerShare: F in (0, 1], the share of the ranks that precondition a layer: at least one
  ///     does.
  public init(of layers: [[Factor]], over ranks: Int, workerShare: Double) {
    precondition(workerShare > 0 && workerShare <= 1, "a share of \(workerShare) of the ranks")
    let size = max(1, Int((workerShare * Double(ranks)).rounded()))
    let groups = Partition(of: ranks, over: (ranks + size - 1) / size)

    var load = [Int](repeating: 0, count: ranks)
    func meanLoad(_ group: Int) -> Double {
      let members = groups.range(of: group)
      return Double(load[members].reduce(0, +)) / Double(members.count)
    }
    func cost(_ layer: Int) -> Int { layers[layer].reduce(0) { $0 + $1.cost } }
    /// The largest first, and of equals the first.
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

  /// The worker that gives a rank its slice of a layer's direction: itself, where it is one.
  public func worker(ofLayer layer: Int, serving rank: Int) -> Int {
    let workers = workers[layer]
    return workers.contains(rank) ? rank : workers.lowerBound + rank % workers.count
  }
}
