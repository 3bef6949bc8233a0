import Curvature
import MPI
import Sharding

/// Traffic and work follow from sizes alone, so every rank can compute them for all ranks.
extension KFAC {
  /// Returns the moves of gradient slices to the workers of their layers.
  static func gradientMoves(
    _ layers: [FactoredLayer], _ placement: KroneckerPlacement, _ slices: [Range<Int>]
  ) -> [RangeExchange<Element>.Move] {
    RangeExchange<Element>.joined(
      pieces(of: layers.map(\.parameters), slices).flatMap { layer, source, range in
        placement.workers[layer].map { .init(range, from: source, to: $0) }
      })
  }

  /// Returns the moves of direction slices from workers to the slices' owners.
  static func directionMoves(
    _ layers: [FactoredLayer], _ placement: KroneckerPlacement, _ slices: [Range<Int>]
  ) -> [RangeExchange<Element>.Move] {
    RangeExchange<Element>.joined(
      pieces(of: layers.map(\.parameters), slices).map { layer, target, range in
        .init(range, from: placement.worker(ofLayer: layer, serving: target), to: target)
      })
  }

  /// Returns, for each layer, the ranges whose directions a worker computes, relative to the
  /// layer's first parameter.
  static func computedRanges(
    _ layers: [FactoredLayer], _ placement: KroneckerPlacement, _ slices: [Range<Int>], by rank: Int
  ) -> [[Range<Int>]] {
    var computedRanges = [[Range<Int>]](repeating: [], count: layers.count)
    for (layer, target, range) in pieces(of: layers.map(\.parameters), slices)
    where placement.worker(ofLayer: layer, serving: target) == rank {
      let start = layers[layer].parameters.lowerBound
      computedRanges[layer].append(range.lowerBound - start..<range.upperBound - start)
    }
    return computedRanges
  }

  /// Returns the moves of inverses from their owners to the other workers of the layer.
  static func inverseMoves(
    _ layers: [FactoredLayer], _ configuration: KFACConfiguration, _ placement: KroneckerPlacement
  ) -> [RangeExchange<Element>.Move] {
    inverseRanges(layers, configuration).enumerated().flatMap { layer, ranges in
      ranges.enumerated().flatMap { factor, range -> [RangeExchange<Element>.Move] in
        let owner = placement.owners[layer][factor]
        guard configuration.factors(of: layers[layer])[factor].form != .unit else { return [] }
        return placement.workers[layer].filter { $0 != owner }.map {
          .init(range, from: owner, to: $0)
        }
      }
    }
  }

  /// Returns what each rank sends and computes per step.
  static func load(
    _ configuration: KFACConfiguration, _ context: OptimizerContext<Element>,
    _ measured: MeasuredSteps
  ) -> OptimizerLoad {
    let (layers, microBatches, partition) = (
      context.layers, context.microBatches, context.partition
    )
    let ranks = partition.ranks
    let placement = placement(of: layers, configuration, ranks: ranks)
    let slices = partition.slices
    // All ranks exchange whether the sums are finite.
    var factors = ReduceScatter<Element>.traffic(of: microBatches, to: placement.slices).map {
      $0 + .allGather(bytes: 8, ranks: ranks)
    }
    if configuration.keepsAllFactors {
      factors = zip(factors, AllGather<Element>.traffic(placement.slices)).map(+)
    }
    let exchange = zip(
      RangeExchange<Element>.traffic(gradientMoves(layers, placement, slices), ranks: ranks),
      RangeExchange<Element>.traffic(directionMoves(layers, placement, slices), ranks: ranks)
    ).map(+)
    var inversions = [Double](repeating: 0, count: ranks)
    var directions = inversions
    /// Returns the multiplications of a layer's gradient with its inverses.
    func work(_ layer: FactoredLayer) -> Double {
      let (a, b) = (Double(layer.shape.a.order), Double(layer.shape.b.order))
      return a * b * (layer.isNormalization ? 1 : a + b)
    }
    for (index, layer) in layers.enumerated() where configuration.solver(of: layer) != nil {
      for (factor, owner) in placement.owners[index].enumerated() {
        inversions[owner] += Double(cost(configuration.factors(of: layer)[factor]))
      }
    }
    // The number of parameters of each layer whose directions a rank computes, by rank and layer.
    var computedRanges = [[Int]](
      repeating: [Int](repeating: 0, count: layers.count), count: ranks)
    for (layer, target, range) in pieces(of: layers.map(\.parameters), slices)
    where configuration.solver(of: layers[layer]) != nil {
      computedRanges[placement.worker(ofLayer: layer, serving: target)][layer] += range.count
    }
    for rank in 0..<ranks {
      for (layer, count) in zip(layers, computedRanges[rank]) where count > 0 {
        let share = Double(count) / Double(layer.parameters.count)
        // Half of the products with eigenvectors involve all rows.
        let made = configuration.solver(of: layer) == .eigen ? (1 + share) / 2 : share
        directions[rank] += made * work(layer)
      }
    }
    var products: [[Traffic]] = []
    if case .conjugateGradients(let settings) = configuration.solver {
      products = SampledLayers<Element>.traffic(
        settings, configuration.sampledLayers(layers), microBatches: microBatches)
    }
    let inverses = RangeExchange<Element>.traffic(
      inverseMoves(layers, configuration, placement), ranks: ranks)
    // The traces of the averages are gathered, and the ranks agree on the inversions.
    let traces = (0..<ranks).map { rank in
      let local = placement.owners.joined().count { $0 == rank }
      return Traffic.allGather(bytes: 8 * local, ranks: ranks)
        + Communicator.agreementTraffic(ranks: ranks)
    }
    // The gradient's norm, and the change that is bounded.
    let sum = TreeSum.traffic(over: partition, width: 1)
    var load = OptimizerLoad(traffic: [
      .sum: configuration.changeBound == nil ? sum : zip(sum, sum).map(+),
      .factors: factors.map { $0.mean(over: configuration.stepsBetweenFactors) },
      .exchange: (0..<ranks).map { rank in
        let products = zip(products, measured.products).reduce(Traffic()) {
          $0 + $1.0[rank] * $1.1
        }
        let inversions = measured.count / configuration.inverseEvery
        return (exchange[rank] * measured.count + inverses[rank] * inversions + products)
          .mean(over: measured.count)
      },
      .inverse: traces.map { $0.mean(over: configuration.inverseEvery) },
    ])
    // One rank alone would do this work once.
    let whole = layers.reduce(0) { configuration.solver(of: $1) == nil ? $0 : $0 + work($1) }
    let all = inversions.reduce(0, +)
    load.shares = [
      .inverse: inversions.map { all > 0 ? $0 / all : 0 },
      .direction: directions.map { whole > 0 ? $0 / whole : 0 },
    ]
    load.multipliesMicroBatches = configuration.usesSamples
    return load
  }

  /// Returns, for each layer, the ranges of the inverses of A and B in the vector of all inverses.
  static func inverseRanges(
    _ layers: [FactoredLayer], _ configuration: KFACConfiguration
  ) -> [[Range<Int>]] {
    var end = 0
    return layers.map { layer in
      configuration.factors(of: layer).map { factor in
        let count = FactorInverse<Element>.count(factor, solver: configuration.solver(of: layer)!)
        defer { end += count }
        return end..<end + count
      }
    }
  }
}
