import Curvature
import LinearAlgebra
import MPI

extension BrainSurgeon {
  /// λ and η.
  public typealias Model = RemovalSpectrum.Model

  /// What the removal of each weight alone adds to the minimum of each model, with `removed` removed.
  /// Collective.
  ///
  /// - Returns: for each model, shape [d/p].
  public func costs(
    removing removed: [Bool], for models: [Model], on world: Communicator
  ) throws -> [[Double]] {
    var costs = models.map { _ in [Double]() }
    _ = try spectra(removing: removed, for: models, steps: [], on: world) { block, spectrum in
      let coordinates = spectrum.coordinates(of: rows, block: block, weights: all, for: models)
      for (index, coordinates) in coordinates.enumerated() {
        costs[index] += coordinates.map(\.cost)
      }
    }
    return costs
  }

  /// What the kept weights become at the minimum of a model.
  public struct JointUpdate {
    /// Shape [d/p].
    public let weights: [Float]
    /// For each step that was asked for, the change of the loss that the model predicts of it.
    public let predictions: [Double]
    /// Of S_R, where the matrix is taken whole.
    public let condition: Double?
  }

  /// `update(.joint, …)` by each model, at a step of 1. Collective.
  ///
  /// - Parameter steps: τ of predictions.
  public func jointUpdates(
    removing removed: [Bool], for models: [Model], steps: [Double], on world: Communicator
  ) throws -> [JointUpdate] {
    var updated = models.map { _ in masked(by: removed) }
    var conditions: [Double?] = models.map { _ in nil }
    let predictions = try spectra(
      removing: removed, for: models, steps: steps, on: world
    ) { block, spectrum in
      if !isBlockwise { conditions = models.map { spectrum.condition($0.damping) } }
      let change = Buffer<Double>(count: rows.blocks[block].count)
      for (index, model) in models.enumerated() {
        rows.combine(spectrum.coefficients(of: model), block: block, into: change.all)
        add(change.all, ofBlock: block, to: &updated[index], removing: removed)
      }
    }
    return models.indices.map { model in
      JointUpdate(
        weights: updated[model],
        predictions: Array(predictions[model * steps.count..<(model + 1) * steps.count]),
        condition: conditions[model])
    }
  }

  /// Returns the models' values at each step, model by model.
  private func spectra(
    removing removed: [Bool], for models: [Model], steps: [Double], on world: Communicator,
    _ body: (Int, RemovalSpectrum) throws -> Void
  ) throws -> [Double] {
    try solve(removing: removed, on: world) { sums in
      RemovalSpectrum(sums: sums, count: rows.count)
    } ofBlock: { block in
      let sums = Buffer<Double>(count: Removal.width(count: rows.count))
      Removal.writeSums(of: rows, block: block, weights: all, removed: removed, into: sums.all)
      return RemovalSpectrum(sums: Array(sums.all), count: rows.count)
    } values: { spectrum in
      models.flatMap { model in steps.map { spectrum.value(of: model, step: $0) } }
    } body: { block, spectrum in
      try body(block, spectrum)
    }
  }
}
