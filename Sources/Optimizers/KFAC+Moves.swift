import Curvature
import MPI
import Sharding

/// What is sent, from sizes alone: every rank knows it of every other.
extension KFAC {
  /// Slices of gradients, to the workers of their layers.
  static func gradientMoves(
    _ layers: [Layer], _ placement: KroneckerPlacement, _ slices: [Range<Int>]
  ) -> [RangeExchange.Move] {
    pieces(layers, slices).flatMap { layer, source, range in
      placement.workers[layer].map { .init(range, from: source, to: $0) }
    }
  }

  /// Slices of directions, from workers to their owners.
  static func directionMoves(
    _ layers: [Layer], _ placement: KroneckerPlacement, _ slices: [Range<Int>]
  ) -> [RangeExchange.Move] {
    pieces(layers, slices).map { layer, target, range in
      .init(range, from: placement.worker(ofLayer: layer, serving: target), to: target)
    }
  }

  /// The layers' parameters, cut by who has them.
  private static func pieces(
    _ layers: [Layer], _ slices: [Range<Int>]
  ) -> [(layer: Int, rank: Int, range: Range<Int>)] {
    layers.indices.flatMap { layer in
      slices.indices.compactMap { rank in
        let range = layers[layer].parameters.clamped(to: slices[rank])
        return range.isEmpty ? nil : (layer, rank, range)
      }
    }
  }

  /// Inverses, from whoever made them to the other workers of the layer.
  static func inverseMoves(
    _ layers: [Layer], _ configuration: Configuration, _ placement: KroneckerPlacement
  ) -> [RangeExchange.Move] {
    inverseRanges(layers, configuration).enumerated().flatMap { layer, ranges in
      ranges.enumerated().flatMap { factor, range -> [RangeExchange.Move] in
        let owner = placement.owners[layer][factor]
        guard configuration.factors(of: layers[layer])[factor].form != .unit else { return [] }
        return placement.workers[layer].filter { $0 != owner }.map {
          .init(range, from: owner, to: $0)
        }
      }
    }
  }

  /// Of each layer where the inverses of A and B are in a vector of all inverses.
  static func inverseRanges(
    _ layers: [Layer], _ configuration: Configuration
  ) -> [[Range<Int>]] {
    var end = 0
    return layers.map { layer in
      configuration.factors(of: layer).map { factor in
        let count = FactorInverse<Float>.count(factor, solver: configuration.solver(of: layer)!)
        defer { end += count }
        return end..<end + count
      }
    }
  }
}
