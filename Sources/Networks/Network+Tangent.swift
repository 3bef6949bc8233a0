import LinearAlgebra

extension Network {
  /// J v: the derivative of the outputs along a direction of the parameters, in one pass forward.
  ///
  /// With a square root S of the loss's Hessian, vᵀGv = R Σ ‖SᵀJv‖² of the Gauss–Newton matrix G is
  /// then a matter of the outputs alone. Pearlmutter, 1994; Schraudolph, 2002.
  ///
  /// The first call allocates `tangentBytes(for:maximumBatch:)`.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - training: where given, of the network in training: with what it drops, and with the
  ///     derivative of the batch's own statistics.
  ///   - isForwardDone: the last call was a forward pass, or one with a gradient, of these very
  ///     arguments, in which nothing has changed: it is not done again.
  ///   - direction: v [d]
  ///   - outputTangents: [n, positions, outputCount], overwritten.
  public func tangent(
    inputs: UnsafeBufferPointer<Element>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0),
    training: TrainingPass<Element>? = nil, isForwardDone: Bool = false,
    direction: UnsafeBufferPointer<Element>,
    outputTangents: UnsafeMutableBufferPointer<Element>
  ) {
    let pass = pass(inputs, parameters, state, training)
    let count = pass.examples * positions * outputCount
    precondition(
      direction.count == parameterCount && outputTangents.count == count,
      "a direction of \(direction.count) for \(parameterCount) parameters, "
        + "\(outputTangents.count) tangents for \(count) outputs")
    guard pass.examples > 0 else { return }
    run(pass, isForwardDone: isForwardDone)
    // Whether a value depends on the parameters; the input does not.
    var moves = [false]
    func tangent(_ value: Int) -> UnsafePointer<Element>? {
      guard moves[value], let place = plan.places[value] else { return nil }
      return UnsafePointer(tangents.pointer + place)
    }
    for (index, step) in plan.steps.enumerated() {
      moves.append(
        step.parameters != nil || moves[step.x] || step.addend.map { moves[$0] } ?? false)
      guard moves[step.y], step.layer.outputPlace != .sameAsInput else { continue }
      step.layer.tangent(
        call(pass, index), x: value(step.x, pass), y: value(step.y, pass),
        TangentPlaces(
          dx: tangent(step.x), addend: step.addend.flatMap(tangent),
          dy: tangents.pointer + plan.places[step.y]!, temporary: temporary.pointer),
        direction: direction.baseAddress! + (step.parameters ?? 0))
    }
    let last = plan.places.count - 1
    outputTangents.baseAddress!.update(from: tangent(last)!, count: count)
  }

  /// Bytes that the first call of `tangent` allocates.
  public static func tangentBytes(
    for description: NetworkDescription, maximumBatch: Int
  ) throws(NetworkMemoryError) -> Int {
    let plan = try NetworkPlan<Element>(description, maximumBatch: maximumBatch)
    let largest = plan.steps.map(\.layer.outputCount).max() ?? 0
    return (plan.memory.activations + maximumBatch * largest) * MemoryLayout<Element>.stride
  }

  /// Brings the activations of a pass into memory.
  func run(_ pass: Pass, isForwardDone: Bool) {
    if isForwardDone {
      precondition(
        latest.map { $0.isSame(as: pass) } ?? false, "the last call had other arguments")
    } else {
      _ = forward(pass)
    }
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
