import LinearAlgebra

/// Backward passes from vectors of one's own, that show the layers to a collector and compute no
/// gradient of the parameters.
extension Network {
  /// One forward pass, and from each of `columns` vectors ▲ a backward pass; the collector sees
  /// the layers in each, without a gradient of the parameters being computed.
  ///
  ///     ▲ [n, positions, outputCount], of one example what multiplies ∂f/∂parameters from the left
  ///
  /// Nothing is divided by n: an example's g does not depend on who its neighbours are, but through
  /// batch-norms in training.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - training: nil for the network as it predicts.
  ///   - columns: 0 where the inputs are enough: the collector sees each weight once, in the order
  ///     of the backward pass.
  ///   - isForwardDone: the last call was a forward pass, or one with a gradient, of these very
  ///     arguments, in which nothing has changed: it is not done again.
  ///   - fill: writes the vector of a column, [n, positions, outputCount], of which nothing is set,
  ///     from the outputs of the same shape.
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
  /// - Parameter dy: nil where no vector has been propagated back.
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
  /// Whether it has the same arguments in the same places.
  fileprivate func isSame(as other: Self) -> Bool {
    examples == other.examples && inputs == other.inputs && parameters == other.parameters
      && state == other.state && training?.seed == other.training?.seed
      && training?.step == other.training?.step
      && training?.firstExample == other.training?.firstExample
  }
}
