import LinearAlgebra

/// Computes a network for up to `maximumBatch` examples, and owns its memory. Only tangents and
/// layer statistics are allocated later, at their first use.
///
///     d         parameters, flat, in the order of `layout`
///     s         running statistics, flat, in the order of `stateLayout`; none without batch-norm
///     n         examples of one call, up to `maximumBatch`
///     inputs    [n, inputCount], each example in the order of the description's shape; tokens as
///               whole numbers
///     outputs   [n, positions, outputCount]
///
/// The same call gives the same bits, whatever was called before.
public final class Network<Element: Scalar> {
  public let description: NetworkDescription
  /// Largest number of examples in one call.
  public let maximumBatch: Int

  let plan: NetworkPlan<Element>
  private let activations: Buffer<Element>
  /// Allocated by the first call for tangents.
  private(set) lazy var tangents = Buffer<Element>(count: plan.tangents.memory.activations)
  private let choices: Buffer<Int32>
  private let scratch: Buffer<Element>
  let gradients: Buffer<Element>
  /// Memory that layers use in turn to show their statistics; allocated at first use.
  lazy var statistics = Buffer<Element>(
    count: maximumBatch * (plan.steps.map(\.layer.statisticsCount).max() ?? 0))

  func prepareStatistics() { _ = statistics }

  /// The pass whose activations are in memory.
  private(set) var latest: Pass?

  /// Plans a network and allocates its memory.
  ///
  /// - Throws: `NetworkMemoryError`; `MemoryCount` counts what will be allocated.
  public init(
    _ description: NetworkDescription, maximumBatch: Int
  ) throws(NetworkMemoryError) {
    precondition(
      (1...largestCount).contains(maximumBatch), "maximum batch \(maximumBatch) is not positive")
    self.description = description
    self.maximumBatch = maximumBatch
    plan = try NetworkPlan(description, maximumBatch: maximumBatch)
    _ = try plan.memory.bytes(stride: MemoryLayout<Element>.stride)
    activations = Buffer(count: plan.memory.activations)
    choices = Buffer(count: plan.memory.choices)
    scratch = Buffer(count: plan.memory.scratch)
    gradients = Buffer(count: plan.memory.gradients)
  }

  /// Names, shapes and ranges of the parameters [d].
  public var layout: ParameterLayout { description.layout }
  /// Names, shapes and ranges of the running statistics [s].
  public var stateLayout: ParameterLayout { description.stateLayout }

  /// d
  public var parameterCount: Int { layout.count }
  /// s
  public var stateCount: Int { stateLayout.count }
  /// Elements of an example.
  public var inputCount: Int { description.inputCount }
  /// Predictions per example.
  public var positions: Int { description.positions }
  /// Outputs of one prediction.
  public var outputCount: Int { description.outputCount }

  /// Computes the outputs (logits) of each example, as for predictions.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - parameters: [d]
  ///   - state: [s]
  ///   - outputs: [n, positions, outputCount], overwritten.
  ///   - training: set for the outputs of training.
  public func forward(
    inputs: UnsafeBufferPointer<Element>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0),
    outputs: UnsafeMutableBufferPointer<Element>, training: TrainingPass<Element>? = nil
  ) {
    let pass = pass(inputs, parameters, state, training)
    precondition(
      outputs.count == pass.examples * positions * outputCount,
      "outputs of \(outputs.count) elements for \(pass.examples) examples")
    guard pass.examples > 0 else { return }
    outputs.baseAddress!.update(from: forward(pass), count: outputs.count)
  }

  /// Computes the loss summed over examples and positions, and the gradient of `scale` times that
  /// sum.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - targets: expected outputs of the examples.
  ///   - parameters: [d]
  ///   - state: [s]
  ///   - gradient: [d], overwritten.
  ///   - scale: one over the predictions of the global batch, for the gradient of its mean loss.
  ///   - training: nil to compute as for predictions.
  ///   - collector: receives the data for curvature; nil costs nothing.
  /// - Returns: Σ over the predictions, in their order and in double precision, not scaled.
  public func lossAndGradient(
    inputs: UnsafeBufferPointer<Element>, targets: Targets<Element>,
    parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0),
    gradient: UnsafeMutableBufferPointer<Element>, loss: Loss, scale: Element,
    training: TrainingPass<Element>? = nil, collector: LayerCollector<Element>? = nil
  ) -> Double {
    lossAndGradient(
      inputs: inputs, targets: targets, parameters: parameters, state: state, gradient: gradient,
      loss: loss, scale: scale, training: training, collector: collector
    ) { _ in }
  }

  /// Computes the same, and reports its progress.
  ///
  /// - Parameter isFinal: called after each backward call, last layers first, with an index. The
  ///   gradient is final from that index to its end; the last index is 0.
  public func lossAndGradient(
    inputs: UnsafeBufferPointer<Element>, targets: Targets<Element>,
    parameters: UnsafeBufferPointer<Element>, state: UnsafeBufferPointer<Element>,
    gradient: UnsafeMutableBufferPointer<Element>, loss: Loss, scale: Element,
    training: TrainingPass<Element>?, collector: LayerCollector<Element>? = nil,
    isFinal: (Int) throws -> Void
  ) rethrows -> Double {
    let pass = pass(inputs, parameters, state, training)
    check(targets, examples: pass.examples)
    precondition(
      gradient.count == parameterCount,
      "gradient of \(gradient.count) elements for \(parameterCount) parameters")
    guard pass.examples > 0 else {
      gradient.update(repeating: 0)
      try isFinal(0)
      return 0
    }
    let sum = loss(
      predictions: pass.examples * positions, outputs: outputCount, forward(pass), targets,
      scale: scale, gradient: gradients.pointer)
    try backward(pass, gradient, collector, isFinal)
    return sum
  }

  /// Returns the loss summed over examples and positions, and the number of correct predictions.
  ///
  /// A prediction is correct if its largest output, the first among equals, is at the label. The
  /// number is 0 if the targets are values. A single output is read as the loss does: a
  /// probability's logit, or with squared errors the class itself.
  ///
  /// - Parameter training: set for the outputs of training.
  public func evaluate(
    inputs: UnsafeBufferPointer<Element>, targets: Targets<Element>,
    parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0), loss: Loss,
    training: TrainingPass<Element>? = nil
  ) -> (lossSum: Double, correct: Int) {
    let pass = pass(inputs, parameters, state, training)
    check(targets, examples: pass.examples)
    guard pass.examples > 0 else { return (0, 0) }
    let outputs = forward(pass)
    let predictions = pass.examples * positions
    let sum = loss(
      predictions: predictions, outputs: outputCount, outputs, targets, scale: 1,
      gradient: gradients.pointer)
    guard case .classes(let labels) = targets else { return (sum, 0) }
    return (
      sum,
      Element.correct(
        examples: predictions, classes: outputCount, outputs, labels: labels.baseAddress!,
        threshold: loss == .meanSquaredError ? 0.5 : 0)
    )
  }

  // MARK: Passes

  /// Holds the arguments that the layers of one call share.
  struct Pass {
    let examples: Int
    let inputs: UnsafePointer<Element>
    let parameters: UnsafePointer<Element>
    let state: UnsafePointer<Element>
    let training: TrainingPass<Element>?
  }

  func forward(_ pass: Pass) -> UnsafePointer<Element> {
    for (index, step) in plan.steps.enumerated() where step.layer.outputPlace != .sameAsInput {
      let y = activations.pointer + plan.places[step.y]!
      step.layer.forward(call(pass, index), value(step.x, pass), into: y)
    }
    latest = pass
    return outputs(of: pass)
  }

  func outputs(of pass: Pass) -> UnsafePointer<Element> { value(plan.places.count - 1, pass) }

  /// Propagates back the gradient of the outputs, stored at the beginning of `gradients`. The
  /// activations do not change.
  ///
  /// - Parameters:
  ///   - gradient: receives the gradient of the parameters; nil if not needed.
  ///   - column: passed on to the collector.
  func backward(
    _ pass: Pass, _ gradient: UnsafeMutableBufferPointer<Element>?,
    _ collector: LayerCollector<Element>?, column: Int = 0, _ isFinal: (Int) throws -> Void
  ) rethrows {
    let places = gradients.pointer
    for (backward, start) in zip(plan.backward, plan.finalFrom) {
      switch backward {
      case .layer(let index, let dy, let dx, let accumulates, let addend):
        let step = plan.steps[index]
        if let collector {
          show(index, pass, dy: UnsafePointer(places + dy), column, to: collector)
        }
        step.layer.backward(
          call(pass, index), x: value(step.x, pass), y: value(step.y, pass),
          GradientPlaces(
            dy: UnsafePointer(places + dy), dx: dx.map { places + $0 }, accumulates: accumulates,
            addend: addend.map { places + $0 }),
          gradient: gradient.map { $0.baseAddress! + (step.parameters ?? 0) })
      case .add(let sum, let other, let count):
        Element.add(
          count: pass.examples * count, places + sum, places + other, into: places + sum)
      case .copy(let from, let into, let count):
        (places + into).update(from: places + from, count: pass.examples * count)
      }
      try isFinal(start)
    }
  }

  func value(_ index: Int, _ pass: Pass) -> UnsafePointer<Element> {
    plan.places[index].map { UnsafePointer(activations.pointer + $0) } ?? pass.inputs
  }

  func call(_ pass: Pass, _ index: Int) -> LayerCall<Element> {
    let step = plan.steps[index]
    return LayerCall(
      examples: pass.examples, parameters: pass.parameters + (step.parameters ?? 0),
      state: pass.state + step.state, training: pass.training,
      statistics: pass.training?.statistics.baseAddress.map { $0 + step.state },
      addend: step.addend.map { value($0, pass) }, scratch: scratch.pointer,
      kept: activations.pointer + plan.kept[index], choices: choices.pointer + plan.choices[index])
  }

  // MARK: Checks

  func pass(
    _ inputs: UnsafeBufferPointer<Element>, _ parameters: UnsafeBufferPointer<Element>,
    _ state: UnsafeBufferPointer<Element>, _ training: TrainingPass<Element>?
  ) -> Pass {
    precondition(
      parameters.count == parameterCount, "\(parameters.count) parameters, not \(parameterCount)")
    precondition(
      state.count == stateCount, "\(state.count) running statistics, not \(stateCount)")
    precondition(
      inputs.count % inputCount == 0 && inputs.count / inputCount <= maximumBatch,
      "\(inputs.count) inputs are not up to \(maximumBatch) examples of \(inputCount)")
    precondition(
      training.map { $0.statistics.count == stateCount } ?? true,
      "statistics for training of another count than \(stateCount)")
    let nothing = UnsafePointer(activations.pointer)
    return Pass(
      examples: inputs.count / inputCount, inputs: inputs.baseAddress ?? nothing,
      parameters: parameters.baseAddress!, state: state.baseAddress ?? nothing, training: training)
  }

  private func check(_ targets: Targets<Element>, examples: Int) {
    let predictions = examples * positions
    switch targets {
    case .classes(let labels):
      precondition(labels.count == predictions, "\(labels.count) labels for \(predictions)")
      let classes = Int32(max(outputCount, 2))
      for label in labels {
        precondition(label >= 0 && label < classes, "label \(label) with \(classes) classes")
      }
    case .values(let values):
      precondition(
        values.count == predictions * outputCount,
        "\(values.count) values for \(predictions) times \(outputCount) outputs")
    }
  }
}

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
