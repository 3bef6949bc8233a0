import Curvature
import LinearAlgebra

extension KFAC {
  public var state: OptimizerState {
    var state = OptimizerState(
      numbers: [
        "steps_taken": Double(stepsTaken), "damping": damping, "average_weight": averageWeight,
        "inverse_damping": inverseDamping ?? 0,
      ].merging(bound.numbers) { $1 })
    state.shared = [
      StoredArray(
        "traces", .float64, shape: [layers.count, 2],
        save: { [traces] memory in
          traces.withUnsafeBytes { memory.copyMemory(from: $0) }
        },
        restore: { [self] stored in
          traces = traces.indices.map {
            stored.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self)
          }
        })
    ]
    for (index, layer) in layers.enumerated() {
      for (factor, shape) in configuration.factors(of: layer).enumerated()
      where shape.form != .unit {
        let name = "\(layer.name).\(factor == 0 ? "a" : "b")"
        let isOwner = placement.owners[index][factor] == rank
        if let average = averages[index][factor] {
          state.placed.append((average.packed.array(name), isOwner))
        }
        if let inverse = inverses[index] {
          let numbers = (factor == 0 ? inverse.a : inverse.b).numbers
          state.placed.append((numbers.array("\(name).inverse"), isOwner))
        }
      }
    }
    let solution = sampled.flatMap { $0.settings.startsWarm ? $0.solution : nil }
    if velocity.count > 0 || solution != nil {
      let start = slices[rank].lowerBound
      state.momentum = gradient.cells.map { cell in
        (velocity.count > 0 ? [velocity.array("velocity", cell)] : [])
          + (solution.map {
            [$0.array("solution", start + cell.lowerBound..<start + cell.upperBound)]
          } ?? [])
      }
    }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    stepsTaken = try numbers.storedCount("steps_taken")
    let stored = try numbers.stored("damping")
    guard stored > 0 else {
      throw StoredArrayError("damping: expected a number above 0, got \(stored)")
    }
    // A λ that follows the loss is restored; otherwise the configured λ applies.
    if configuration.dampingRule.levenbergMarquardt != nil { damping = stored }
    sampled?.resume()
    // The next batch provides the first factors if none are stored.
    guard hasWindow else { return }
    averageWeight = try numbers.stored("average_weight")
    guard (0...1).contains(averageWeight) else {
      throw StoredArrayError("average_weight: expected a number up to 1, got \(averageWeight)")
    }
    for average in averages.joined() { average?.resume(weight: averageWeight) }
    let inverted = try numbers.stored("inverse_damping")
    inverseDamping = inverted > 0 ? inverted : nil
  }
}

extension Buffer where Element: Scalar {
  fileprivate func array(_ name: String) -> StoredArray { array(name, 0..<count) }
}
