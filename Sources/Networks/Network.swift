import LinearAlgebra

/// A network with the memory for up to `maximumBatch` examples: nothing is allocated later.
///
///   d         parameters, flat, in the order of `layout`
///   n         examples of one call, up to `maximumBatch`
///   inputs    [n, inputCount], each example in the order of the description's shape
///   outputs   [n, outputCount]
///
/// The same call gives the same bits, whatever was called before.
public final class Network<Element: Scalar> {
  public let description: NetworkDescription
  public let maximumBatch: Int

  let plan: NetworkPlan<Element>
  private let activations: Buffer<Element>
  private let choices: Buffer<Int32>
  private let scratch: Buffer<Element>
  /// Two places for gradients of activations, which go back and forth between them.
  private let gradients: [Buffer<Element>]
  /// Where each step read and wrote in the latest forward pass.
  private var reads: [UnsafePointer<Element>]
  private var writes: [UnsafeMutablePointer<Element>]

  /// - Throws: `NetworkMemoryError`; see `bytes(for:maximumBatch:)` for what will be allocated.
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
    gradients = [Buffer(count: plan.memory.gradient), Buffer(count: plan.memory.gradient)]
    reads = Array(repeating: UnsafePointer(activations.pointer), count: plan.steps.count)
    writes = Array(repeating: activations.pointer, count: plan.steps.count)
  }

  /// Bytes that a network allocates, parameters and their gradient not counted.
  public static func bytes(
    for description: NetworkDescription, maximumBatch: Int
  ) throws(NetworkMemoryError) -> Int {
    try NetworkPlan<Element>(description, maximumBatch: maximumBatch)
      .memory.bytes(stride: MemoryLayout<Element>.stride)
  }

  public var layout: ParameterLayout { description.layout }

  /// d
  public var parameterCount: Int { layout.count }
  public var inputCount: Int { description.inputCount }
  public var outputCount: Int { description.outputCount }

  /// The outputs (logits) of each example.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - parameters: [d]
  ///   - outputs: [n, outputCount], overwritten.
  public func forward(
    inputs: UnsafeBufferPointer<Element>, parameters: UnsafeBufferPointer<Element>,
    outputs: UnsafeMutableBufferPointer<Element>
  ) {
    let n = examples(inputs, parameters)
    precondition(
      outputs.count == n * outputCount,
      "outputs of \(outputs.count) elements for \(n) examples of \(outputCount)")
    let result = forward(n, inputs, parameters)
    if n > 0 {
      outputs.baseAddress!.update(from: result, count: n * outputCount)
    }
  }

  /// The loss summed over the examples, and the gradient of `scale` times that sum.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - labels: [n], each from 0 to below `outputCount`.
  ///   - parameters: [d]
  ///   - gradient: [d], overwritten.
  ///   - scale: one over the global batch, for the gradient of the batch's mean loss.
  /// - Returns: Σ over the examples, in their order and in double precision, not scaled.
  public func lossAndGradient(
    inputs: UnsafeBufferPointer<Element>, labels: UnsafeBufferPointer<Int32>,
    parameters: UnsafeBufferPointer<Element>, gradient: UnsafeMutableBufferPointer<Element>,
    loss: Loss, scale: Element
  ) -> Double {
    let n = examples(inputs, parameters)
    check(labels, count: n)
    precondition(
      gradient.count == parameterCount,
      "gradient of \(gradient.count) elements for \(parameterCount) parameters")
    guard n > 0 else {
      gradient.update(repeating: 0)
      return 0
    }
    let outputs = forward(n, inputs, parameters)
    let sum = self.loss(loss, n, outputs, labels, scale)
    backward(n, parameters, gradient)
    return sum
  }

  /// The loss summed over the examples, and how many of them have their largest output, of equals
  /// the first, at their label.
  public func evaluate(
    inputs: UnsafeBufferPointer<Element>, labels: UnsafeBufferPointer<Int32>,
    parameters: UnsafeBufferPointer<Element>, loss: Loss
  ) -> (lossSum: Double, correct: Int) {
    let n = examples(inputs, parameters)
    check(labels, count: n)
    guard n > 0 else { return (0, 0) }
    let outputs = forward(n, inputs, parameters)
    let sum = self.loss(loss, n, outputs, labels, 1)
    let correct = Element.correct(
      examples: n, classes: outputCount, outputs, labels: labels.baseAddress!)
    return (sum, correct)
  }

  // MARK: Passes

  private func forward(
    _ n: Int, _ inputs: UnsafeBufferPointer<Element>, _ parameters: UnsafeBufferPointer<Element>
  ) -> UnsafePointer<Element> {
    guard n > 0 else { return UnsafePointer(activations.pointer) }
    var x = inputs.baseAddress!
    for (index, step) in plan.steps.enumerated() {
      reads[index] = x
      if step.layer.outputPlace == .sameAsInput { continue }
      // Without memory of its own, a step writes over its input: memory of a step before it.
      let y = step.output.map { activations.pointer + $0 } ?? UnsafeMutablePointer(mutating: x)
      step.layer.forward(call(n, step, parameters), x, into: y)
      writes[index] = y
      x = UnsafePointer(y)
    }
    return x
  }

  /// From the gradient of the outputs, which the loss has left in the first of `gradients`.
  private func backward(
    _ n: Int, _ parameters: UnsafeBufferPointer<Element>,
    _ gradient: UnsafeMutableBufferPointer<Element>
  ) {
    var here = 0
    for index in stride(from: plan.steps.count - 1, through: plan.firstTrained, by: -1) {
      let step = plan.steps[index]
      if step.layer.outputPlace == .sameAsInput { continue }
      let there = step.layer.outputPlace == .own ? 1 - here : here
      step.layer.backward(
        call(n, step, parameters), x: reads[index], y: UnsafePointer(writes[index]),
        dy: UnsafePointer(gradients[here].pointer),
        gradient: gradient.baseAddress! + (step.parameters ?? 0),
        dx: index == plan.firstTrained ? nil : gradients[there].pointer)
      here = there
    }
  }

  private func call(
    _ n: Int, _ step: NetworkPlan<Element>.Step, _ parameters: UnsafeBufferPointer<Element>
  ) -> LayerCall<Element> {
    LayerCall(
      examples: n, parameters: parameters.baseAddress! + (step.parameters ?? 0),
      scratch: scratch.pointer, choices: choices.pointer + step.choices)
  }

  private func loss(
    _ loss: Loss, _ n: Int, _ outputs: UnsafePointer<Element>,
    _ labels: UnsafeBufferPointer<Int32>, _ scale: Element
  ) -> Double {
    switch loss {
    case .crossEntropy:
      Element.crossEntropy(
        examples: n, classes: outputCount, outputs, labels: labels.baseAddress!, scale: scale,
        gradient: gradients[0].pointer)
    case .meanSquaredError:
      Element.squaredError(
        examples: n, classes: outputCount, outputs, labels: labels.baseAddress!, scale: scale,
        gradient: gradients[0].pointer)
    }
  }

  // MARK: Promises

  private func examples(
    _ inputs: UnsafeBufferPointer<Element>, _ parameters: UnsafeBufferPointer<Element>
  ) -> Int {
    precondition(
      parameters.count == parameterCount, "\(parameters.count) parameters, not \(parameterCount)")
    precondition(
      inputs.count % inputCount == 0 && inputs.count / inputCount <= maximumBatch,
      "\(inputs.count) inputs are not up to \(maximumBatch) examples of \(inputCount)")
    return inputs.count / inputCount
  }

  private func check(_ labels: UnsafeBufferPointer<Int32>, count: Int) {
    precondition(labels.count == count, "\(labels.count) labels for \(count) examples")
    for label in labels {
      precondition(
        label >= 0 && label < outputCount, "label \(label) with \(outputCount) classes")
    }
  }
}
