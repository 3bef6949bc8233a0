import LinearAlgebra

extension Network {
  /// Moves the running statistics towards those of a step:
  /// running ← (1 − momentum)·running + momentum·statistic, with each batch-norm's momentum.
  ///
  /// - Parameters:
  ///   - state: [s]
  ///   - statistics: [s], the mean over the step's micro-batches.
  public func update(
    state: UnsafeMutableBufferPointer<Element>, towards statistics: UnsafeBufferPointer<Element>
  ) {
    precondition(
      state.count == stateCount && statistics.count == stateCount,
      "\(state.count) and \(statistics.count) running statistics, not \(stateCount)")
    for (elements, running) in description.graph.runningStatistics {
      let momentum = running.momentum
      for i in elements {
        state[i] = Element((1 - momentum) * Double(state[i]) + momentum * Double(statistics[i]))
      }
    }
  }
}
