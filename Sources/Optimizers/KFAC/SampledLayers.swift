import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Of layers without factors the directions (C + λI)⁻¹ g, C their curvature on the step's own
/// batch, by conjugate gradients from samples of its micro-batches.
///
///   x [d]   the solutions, near which the next ones may start
///
/// A product is a sum over the micro-batches, which all ranks are given; the iteration is done by
/// every rank alike. Layers go in step, so that the sums of all of them wait together.
///
/// Chen, "An iterative K-FAC algorithm for deep learning" (CG-FAC), arXiv 2101.00218.
final class SampledLayers<Element: Scalar> {
  /// The optimizer's.
  let settings: KFACConfiguration.IterativeSolver
  let solution: Buffer<Element>
  /// Whether all of the solution is there, or only this rank's slice.
  private var isWhole = true
  private let slices: [Range<Int>]
  private let layers: [FactoredLayer]
  private let sums: [AllReduce<Element>]
  /// For each layer, what conjugate gradients work with.
  private let workspaces: [Buffer<Element>]
  private var samples: [[LayerSamples<Element>]] = []
  private var curvatures: [LayerCurvature<Element>] = []
  /// Of each layer, how many products there have been.
  private(set) var productCounts: [Int]

  /// Collective.
  init(
    _ settings: KFACConfiguration.IterativeSolver, _ layers: [FactoredLayer],
    microBatches: Partition,
    slices: [Range<Int>], on world: Communicator
  ) {
    self.settings = settings
    self.layers = layers
    self.slices = slices
    productCounts = [Int](repeating: 0, count: layers.count)
    solution = Buffer(count: slices.last!.upperBound)
    workspaces = layers.map {
      Buffer(count: ConjugateGradients.Equation<Element>.workspaceCount($0.parameters.count))
    }
    sums = layers.map {
      AllReduce<Element>(count: $0.parameters.count, of: microBatches, on: world)
    }
  }

  /// What each rank sends for one product of each layer.
  static func traffic(
    _ settings: KFACConfiguration.IterativeSolver, _ layers: [FactoredLayer],
    microBatches: Partition
  ) -> [[Traffic]] {
    layers.map { layer in
      let sums = LayerCurvature<Element>.sumCount(layer.shape, settings.operation)
      return AllReduce<Element>.traffic(count: layer.parameters.count, of: microBatches).map {
        $0 * sums
      }
    }
  }

  /// Takes what will hold a step's samples, before the first step.
  ///
  /// - Parameter samples: of each layer but normalisations in turn, those of each micro-batch of
  ///   this rank.
  func take(_ samples: [[LayerSamples<Element>]]) {
    precondition(samples.count == layers.count, "samples of \(samples.count) of \(layers.count)")
    self.samples = samples
    curvatures = zip(layers, samples).map { layer, samples in
      LayerCurvature(
        layer.shape, settings.operation, of: samples, scales: layer.scales, damping: 0)
    }
  }

  /// Whether no sample of this rank holds an infinity or a NaN.
  var isFinite: Bool { samples.joined().allSatisfy(\.isFinite) }

  /// Says that of the last solutions only the slice is there.
  func resume() { isWhole = false }

  /// Collective.
  ///
  /// - Parameter values: [d], gradients; of these layers directions in their place.
  /// - Returns: the most iterations that a layer took, and the largest residual that one was left
  ///   with.
  func solve(
    _ values: UnsafeMutablePointer<Element>, damping: Double, on world: Communicator,
    clock: PhaseClock
  ) throws -> ConjugateGradients.Outcome {
    precondition(curvatures.count == layers.count, "a step without samples")
    if !settings.startsWarm {
      solution.all.update(repeating: 0)
    } else if !isWhole {
      try clock.time(.exchange) { try world.allGather(solution.all, slices: slices) }
    }
    isWhole = true
    for curvature in curvatures { curvature.damping = damping }
    let outcomes = try clock.time(.solve) {
      try settings.method.solve(
        zip(layers, workspaces).map { layer, workspace in
          .init(
            count: layer.parameters.count, values + layer.parameters.lowerBound,
            x: solution.pointer + layer.parameters.lowerBound, workspace: workspace.pointer)
        }
      ) { try multiply($0, on: world, clock: clock) }
    }
    for layer in layers {
      (values + layer.parameters.lowerBound).update(
        from: solution.pointer + layer.parameters.lowerBound, count: layer.parameters.count)
    }
    return ConjugateGradients.Outcome(
      iterations: outcomes.map(\.iterations).max() ?? 0,
      residual: outcomes.map(\.residual).max() ?? 0)
  }

  private func multiply(
    _ products: [ConjugateGradients.Product<Element>], on world: Communicator, clock: PhaseClock
  ) throws {
    for (layer, _, _) in products { productCounts[layer] += 1 }
    for sum in 0..<(curvatures.first?.sumCount ?? 0) {
      try clock.time(.exchange) {
        for (layer, v, _) in products {
          try sums[layer].begin(on: world) { sample, part in
            clock.time(.inverse) {
              curvatures[layer].writePart(sample, ofSum: sum, v, into: part)
            }
          }
        }
        for (layer, _, y) in products {
          try sums[layer].scatter(into: curvatures[layer].place(ofSum: sum, y), on: world)
        }
        for (layer, _, y) in products {
          try sums[layer].finish(into: curvatures[layer].place(ofSum: sum, y), on: world)
        }
      }
    }
    for (layer, v, y) in products { curvatures[layer].finish(v, into: y) }
  }
}
