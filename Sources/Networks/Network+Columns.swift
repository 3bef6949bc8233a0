import LinearAlgebra

/// Runs backward passes from given vectors, which show the layers to a collector and compute no
/// gradient of the parameters.
extension Network {
  /// Runs one forward pass, and a backward pass from each of `columns` vectors ▲. The collector
  /// sees the layers in each; the gradient of the parameters is not computed.
  ///
  ///     ▲ [n, positions, outputCount] multiplies each example's ∂f/∂parameters from the left
  ///
  /// Nothing is divided by n. An example's gradients do not depend on the other examples, except
  /// through batch-norms in training.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - training: nil to compute as for predictions.
  ///   - columns: number of vectors; 0 if the inputs suffice. The collector then sees each weight
  ///     once, in the order of the backward pass.
  ///   - isForwardDone: true skips the forward pass. The last call must have been a forward pass,
  ///     with or without a gradient, with these arguments, unchanged since.
  ///   - fill: writes the vector of a column from the outputs; both are
  ///     [n, positions, outputCount], and the vector is uninitialised.
  public func propagateColumns(
    inputs: UnsafeBufferPointer<Element>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0),
    training: TrainingPass<Element>? = nil, columns: Int, isForwardDone: Bool = false,
    collector: LayerCollector<Element>,
    fill: (Int, UnsafeBufferPointer<Element>, UnsafeMutableBufferPointer<Element>) throws -> Void
  ) rethrows {
    let pass = pass(inputs, parameters, state, training)
    guard pass.examples > 0 else { return }
    if isForwardDone {
      precondition(
        latest.map { $0.isSame(as: pass) } ?? false, "the last call had other arguments")
    } else {
      _ = forward(pass)
    }
    let count = pass.examples * positions * outputCount
    let outputs = UnsafeBufferPointer(start: outputs(of: pass), count: count)
    for column in 0..<columns {
      try fill(column, outputs, gradients[0..<count])
      backward(pass, nil, collector, column: column) { _ in }
    }
    if columns == 0 {
      for index in plan.steps.indices.reversed() { show(index, pass, dy: nil, 0, to: collector) }
    }
  }

  /// Shows a layer to a collector, before its backward call.
  ///
  /// - Parameter dy: nil if no vector has been propagated back.
  func show(
    _ index: Int, _ pass: Pass, dy: UnsafePointer<Element>?, _ column: Int,
    to collector: LayerCollector<Element>
  ) {
    let step = plan.steps[index]
    step.layer.collect(
      into: LayerView(
        collector: collector, call: call(pass, index), tensor: step.weightTensor,
        parameter: step.parameters ?? 0, column: column, x: value(step.x, pass),
        y: value(step.y, pass), dy: dy, memory: { [self] in statistics.pointer }))
  }
}

extension Network.Pass {
  /// Returns whether both have the same arguments in the same memory.
  fileprivate func isSame(as other: Self) -> Bool {
    examples == other.examples && inputs == other.inputs && parameters == other.parameters
      && state == other.state && training?.seed == other.training?.seed
      && training?.step == other.training?.step
      && training?.firstExample == other.training?.firstExample
  }
}
