import Curvature
import LinearAlgebra
import MPI

extension BrainSurgeon {
  /// Returns the cost of removing each weight alone, for each model: the increase of the minimum
  /// if the weights in `removed` are zero. Collective.
  ///
  /// - Returns: for each model, shape [d/p].
  public func costs(
    removing removed: [Bool], for models: [SurgeonModel.Settings], on world: Communicator
  ) throws -> [[Double]] {
    var coordinates = models.map { _ in [SurgeonModel.Coordinate]() }
    var errors = models.map { _ in 0.0 }
    _ = try minima(
      removing: removed, for: models, steps: [], on: world, solved: { _ in },
      body: { block, minima in
        let all = all
        var local: [[SurgeonModel.Coordinate]]
        switch minima {
        case .spectrum(let spectrum):
          local = spectrum.coordinates(of: rows, block: block, weights: all, for: models)
          errors = models.map { spectrum.factorError($0.damping) }
        case .each(let surgeonModels):
          for surgeonModel in surgeonModels {
            try named(surgeonModel.damping) { try surgeonModel.checkCoordinates() }
          }
          local = surgeonModels.map { $0.coordinates(of: rows, block: block, weights: all) }
          errors = surgeonModels.map(\.factorError)
        }
        for (index, model) in models.enumerated() {
          if isBlockwise, SurgeonModel.losesDigits(local[index], factorError: errors[index]) {
            local[index] = try named(model.damping) {
              let refined = try SurgeonModel(
                refiningBlock: block, of: rows, weights: all, removed: removed,
                damping: model.damping, gradientScale: model.gradientScale)
              try refined.checkCoordinates()
              return refined.coordinates(of: rows, block: block, weights: all)
            }
          }
          coordinates[index] += local[index]
        }
      })
    for (index, model) in models.enumerated() where !isBlockwise {
      let losesDigits = SurgeonModel.losesDigits(coordinates[index], factorError: errors[index])
      guard try world.allGather(losesDigits ? 1 : 0).contains(1) else { continue }
      let refined = try refined(model, removed, world)
      try named(model.damping) { try refined.checkCoordinates() }
      coordinates[index] = rows.blocks.indices.flatMap {
        refined.coordinates(of: rows, block: $0, weights: all)
      }
    }
    return coordinates.map { $0.map(\.cost) }
  }

  /// Holds the kept weights at the minimum of a model, with the model's predictions.
  public struct JointUpdate {
    /// Shape [d/p].
    public let weights: [Element]
    /// The predicted change of the loss, for each requested step.
    public let predictions: [Double]
    /// The condition number of S_R, for the whole matrix.
    public let condition: Double?
  }

  /// Solves `update(.joint, …)` for each model, at a step of 1. Collective.
  ///
  /// - Parameter steps: the τ for which the change of the loss is predicted.
  public func jointUpdates(
    removing removed: [Bool], for models: [SurgeonModel.Settings], steps: [Double],
    on world: Communicator
  ) throws -> [JointUpdate] {
    var updated = models.map { _ in masked(by: removed) }
    var conditions: [Double?] = models.map { _ in nil }
    let predictions = try minima(
      removing: removed, for: models, steps: steps, on: world,
      solved: { minima in
        // On all ranks: a rank without coordinates solves the whole matrix's model too.
        guard !isBlockwise, case .spectrum(let spectrum) = minima else { return }
        conditions = models.map { spectrum.condition($0.damping) }
      },
      body: { block, minima in
        let change = Buffer<Double>(count: rows.blocks[block].count)
        for (index, model) in models.enumerated() {
          switch minima {
          case .spectrum(let spectrum):
            note(spectrum.factorError(model.damping))
            rows.combine(spectrum.coefficients(of: model), block: block, into: change.all)
          case .each(let surgeonModels):
            note(surgeonModels[index].error)
            surgeonModels[index].writeChange(
              of: rows, block: block, weights: all, removed: removed, into: change.all)
          }
          add(change.all, ofBlock: block, to: &updated[index], removing: removed)
        }
      })
    return models.indices.map { model in
      JointUpdate(
        weights: updated[model],
        predictions: Array(predictions[model * steps.count..<(model + 1) * steps.count]),
        condition: conditions[model])
    }
  }

  /// Holds the solutions of several models.
  private enum Minima {
    case spectrum(SurgeonSpectrum)
    /// One solution per model, for a block with fewer coordinates than gradients or a λ that
    /// rounding hides.
    case each([SurgeonModel])
  }

  /// Returns the models' values at each step, model by model.
  ///
  /// - Parameters:
  ///   - solved: is called with each solution; on every rank with that of the whole matrix.
  ///   - body: is called with each block of this rank and its solution.
  private func minima(
    removing removed: [Bool], for models: [SurgeonModel.Settings], steps: [Double],
    on world: Communicator, solved: (Minima) -> Void,
    body: (Int, Minima) throws -> Void
  ) throws -> [Double] {
    let least = models.map(\.damping).min()!
    return try solve(removing: removed, with: least, on: world) { sums in
      .spectrum(SurgeonSpectrum(sums: sums, count: rows.count))
    } refined: {
      .each(try models.map { try refined($0, removed, world) })
    } ofBlock: { block in
      guard rows.blocks[block].count >= rows.count else {
        return .each(
          try named(least) {
            try SurgeonModel.models(
              models, ofBlock: block, of: rows, weights: all, removed: removed)
          })
      }
      let sums = Buffer<Double>(count: SurgeonModel.width(count: rows.count))
      SurgeonModel.writeSums(of: rows, block: block, weights: all, removed: removed, into: sums.all)
      guard
        SurgeonModel.factorError(of: Array(sums.all), count: rows.count, damping: least)
          <= SurgeonModel.goodError
      else {
        return .each(
          try named(least) {
            try models.map {
              try SurgeonModel(
                refiningBlock: block, of: rows, weights: all, removed: removed,
                damping: $0.damping, gradientScale: $0.gradientScale)
            }
          })
      }
      return .spectrum(SurgeonSpectrum(sums: Array(sums.all), count: rows.count))
    } values: { minima in
      solved(minima)
      return switch minima {
      case .spectrum(let spectrum):
        models.flatMap { model in steps.map { spectrum.value(of: model, step: $0) } }
      case .each(let surgeonModels):
        surgeonModels.flatMap { surgeonModel in steps.map { surgeonModel.value(step: $0) } }
      }
    } body: { block, minima in
      try body(block, minima)
    }
  }
}
