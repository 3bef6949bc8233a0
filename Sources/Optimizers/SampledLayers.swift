import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Of layers without factors the directions (C + λI)⁻¹ g, C their curvature on the step's own batch, by
/// conjugate gradients from samples of its micro-batches.
///
///   x [d]   the last solutions, where the next ones start
///
/// A product is a sum over the micro-batches, which all ranks are given; the iteration is done by every
/// rank alike.
///
/// Chen, "An iterative K-FAC algorithm for deep learning" (CG-FAC), arXiv 2101.00218.
public final class SampledLayers {
  public let settings: KFAC.IterativeSolver
  /// Of each layer by its index, and of each micro-batch of this rank; to be set before a step.
  public var samples: [Int: [LayerSamples<Float>]] = [:]
  let slices: [Range<Int>]
  /// x, where solves start warm.
  let solution: Buffer<Float>?
  /// Whether all of it is there, or only this rank's slice.
  private var isWhole = true
  /// By the vectors' length.
  private let sums: [Int: AllReduce]
  private let single: Buffer<Float>
  private let layerCount: Int

  /// Collective.
  init(
    _ settings: KFAC.IterativeSolver, counts: [Int], microBatches: Partition,
    slices: [Range<Int>], on world: Communicator
  ) {
    self.settings = settings
    self.slices = slices
    layerCount = counts.count
    solution = settings.startsWarm ? Buffer(count: slices.last!.upperBound) : nil
    sums = Dictionary(
      uniqueKeysWithValues: Set(counts).sorted().map {
        ($0, AllReduce(count: $0, of: microBatches, on: world))
      })
    single = Buffer(count: solution == nil ? counts.max() ?? 0 : 0)
  }

  /// Bytes that it holds on a rank, without the samples.
  static func bytes(
    _ settings: KFAC.IterativeSolver, counts: [Int], microBatches: Partition, parameters: Int,
    rank: Int
  ) -> Int {
    // r, p and their images; half a factored product; where it starts cold, x.
    let vectors = 3 + (settings.operation == .factored ? 1 : 0) + (settings.startsWarm ? 0 : 1)
    return 4 * (vectors * (counts.max() ?? 0) + (settings.startsWarm ? parameters : 0))
      + Set(counts).reduce(0) {
        $0 + AllReduce.bytes(count: $1, of: microBatches, rank: rank)
      }
  }

  /// Whether no sample of this rank holds an infinity or a NaN.
  var isFinite: Bool { samples.values.joined().allSatisfy(\.isFinite) }

  /// Says that of the last solutions only the slice is there.
  func resume() { isWhole = false }

  /// Collective.
  ///
  /// - Parameter values: [d], gradients; of the layers with samples directions in their place.
  /// - Returns: the most iterations that a layer took, and the largest residual that one was left with.
  func solve(
    _ layers: [KFAC.Layer], _ values: UnsafeMutablePointer<Float>, damping: Double,
    on world: Communicator, clock: PhaseClock
  ) throws -> ConjugateGradients.Outcome {
    precondition(samples.count == layerCount, "samples of \(samples.count) of \(layerCount) layers")
    if let solution, !isWhole {
      try clock.time(.exchange) { try world.allGather(solution.all, slices: slices) }
      isWhole = true
    }
    var (iterations, residual) = (0, 0.0)
    for index in samples.keys.sorted() {
      let layer = layers[index]
      let curvature = LayerCurvature(
        layer.shape, settings.operation, of: samples[index]!, scales: layer.scales,
        damping: damping
      ) { [sum = sums[layer.parameters.count]!] part, total in
        try clock.time(.exchange) {
          try sum.total(into: total, on: world) { index, vector in
            clock.time(.inverse) { part(index, vector) }
          }
        }
      }
      let b = values + layer.parameters.lowerBound
      let x = solution.map { $0.pointer + layer.parameters.lowerBound } ?? single.pointer
      if solution == nil { x.update(repeating: 0, count: curvature.count) }
      let outcome = try clock.time(.inverse) {
        try settings.method.solve(
          count: curvature.count, b, x: x, product: curvature.callAsFunction)
      }
      b.update(from: x, count: curvature.count)
      iterations = max(iterations, outcome.iterations)
      residual = max(residual, outcome.residual)
    }
    return ConjugateGradients.Outcome(iterations: iterations, residual: residual)
  }
}
