import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Computes the directions (C + λI)⁻¹ g of layers without factors by conjugate gradients. C is a
/// layer's curvature on the step's own batch, given by samples of its micro-batches.
///
///   x [d]   the solutions; the next step's iterations may start there
///
/// A product is a sum over the micro-batches that every rank obtains, and all ranks iterate
/// identically. All layers iterate in lockstep, so the waits for their sums overlap.
///
/// Chen, "An iterative K-FAC algorithm for deep learning" (CG-FAC), arXiv 2101.00218.
final class SampledLayers<Element: Scalar> {
  let settings: KFACConfiguration.IterativeSolver
  let solution: Buffer<Element>
  /// True if `solution` is complete; false if it holds only this rank's slice.
  private var isWhole = true
  private let slices: [Range<Int>]
  private let layers: [FactoredLayer]
  private let sums: [AllReduce<Element>]
  /// Memory for conjugate gradients, by layer.
  private let workspaces: [Buffer<Element>]
  private var samples: [[LayerSamples<Element>]] = []
  private var curvatures: [LayerCurvature<Element>] = []
  /// The number of products with each layer's curvature so far.
  private(set) var productCounts: [Int]

  /// Creates the solver on this rank. Collective.
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

  /// Returns each rank's traffic for one product, by layer and rank.
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

  /// Receives, before the first step, the objects that will hold each step's samples.
  ///
  /// - Parameter samples: one array per layer, without normalization layers; each has one element
  ///   per micro-batch of this rank.
  func take(_ samples: [[LayerSamples<Element>]]) {
    precondition(samples.count == layers.count, "samples of \(samples.count) of \(layers.count)")
    self.samples = samples
    curvatures = zip(layers, samples).map { layer, samples in
      LayerCurvature(
        layer.shape, settings.operation, of: samples, scales: layer.scales, damping: 0)
    }
  }

  /// True if every sample of this rank is finite.
  var isFinite: Bool { samples.joined().allSatisfy(\.isFinite) }

  /// Marks the last solutions as restored for this rank's slice only.
  func resume() { isWhole = false }

  /// Solves the equations of all layers. Collective.
  ///
  /// - Parameter values: gradients, shape [d]; overwritten by directions for these layers.
  /// - Returns: the largest number of iterations and the largest residual over the layers.
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

  /// Computes y = (C + λI)v for each product. Collective.
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
