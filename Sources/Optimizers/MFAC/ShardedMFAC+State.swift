import Curvature
import LinearAlgebra

extension ShardedMFAC {
  public var state: OptimizerState {
    var state = OptimizerState(
      numbers: fisher.numbers.merging([
        "steps_taken": Double(stepsTaken), "directions_taken": Double(directionsTaken),
        "damping": damping, "direction_norm": directionNorm,
      ]) { $1 })
    state.shared = fisher.arrays
    state.window = columns.cells.indices.map(fisher.window.arrays(ofCell:))
    if velocity.count > 0 {
      state.momentum = gradient.cells.map { [velocity.array("velocity", $0)] }
    }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    stepsTaken = try numbers.storedCount("steps_taken")
    directionsTaken = try numbers.storedCount("directions_taken")
    damping = try numbers.stored("damping")
    guard damping > 0 else {
      throw StoredArrayError("damping: expected a number above 0, got \(damping)")
    }
    directionNorm = try numbers.stored("direction_norm")
    if hasWindow { try fisher.resume(numbers) }
  }
}
