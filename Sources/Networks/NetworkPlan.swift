import LinearAlgebra

/// The layers that a description becomes, and the memory that they need: nothing is allocated yet.
struct NetworkPlan<Element: Scalar> {
  /// One layer and where it finds and leaves its numbers.
  struct Step {
    let layer: any Layer<Element>
    /// Where its parameters begin; nil if it has none.
    let parameters: Int?
    /// Where its output begins in the activations; nil where it is over or the same as its input.
    let output: Int?
    /// Where its choices begin.
    let choices: Int
  }

  let steps: [Step]
  /// The first step that has parameters: gradients go back no further.
  let firstTrained: Int
  let memory: NetworkMemory

  /// - Throws: `NetworkMemoryError` where the memory's size overflows.
  init(_ description: NetworkDescription, maximumBatch: Int) throws(NetworkMemoryError) {
    var memory = NetworkMemory(maximumBatch: maximumBatch)
    var steps: [Step] = []
    // Images come with their channels first; layers of images want them last.
    var channelsLast = false
    // Whether the latest output may be written over.
    var isFree = false

    func append(_ layer: any Layer<Element>, parameters: Int? = nil) throws(NetworkMemoryError) {
      var output: Int?
      switch layer.outputPlace {
      case .sameAsInput: break
      case .overInput where isFree: isFree = !layer.keepsOutput
      case .overInput, .own:
        output = try memory.addActivation(layer.outputCount)
        isFree = !layer.keepsOutput
      }
      try memory.addGradient(layer.outputCount)
      memory.addScratch(layer.scratchCount)
      let choices = try memory.addChoices(layer.choiceCount)
      steps.append(Step(layer: layer, parameters: parameters, output: output, choices: choices))
    }

    for (index, layer) in description.layers.enumerated() {
      let shape = description.shapes[index]
      if layer.readsImages != channelsLast, layer.readsImages || layer == .flatten,
        shape.count == 3
      {
        let positions = shape[1] * shape[2]
        try append(
          TranspositionLayer<Element>(
            rows: channelsLast ? positions : shape[0],
            columns: channelsLast ? shape[0] : positions))
        channelsLast.toggle()
      }
      if let planned = layer.planned(for: shape, as: Element.self) {
        let tensor = description.layout.tensors.first { $0.layer == index }
        try append(planned, parameters: tensor?.range.lowerBound)
      }
    }
    self.steps = steps
    // The layout has a tensor, so there is one.
    firstTrained = steps.firstIndex { $0.parameters != nil }!
    self.memory = memory
  }
}

extension LayerDescription {
  /// Whether it wants channels last.
  fileprivate var readsImages: Bool {
    switch self {
    case .conv2d, .maxPool2d, .averagePool2d: true
    default: false
    }
  }

  /// The layer for inputs of `shape`; nil for one that computes nothing.
  fileprivate func planned<Element: Scalar>(
    for shape: [Int], as type: Element.Type
  ) -> (any Layer<Element>)? {
    func window(_ kernel: Int, _ stride: Int, _ padding: Int) -> SlidingWindow {
      SlidingWindow(
        height: shape[1], width: shape[2], channels: shape[0], kernel: kernel, stride: stride,
        padding: padding)
    }
    func activation(_ activation: Activation) -> ActivationLayer<Element> {
      ActivationLayer(activation: activation, outputCount: shape.reduce(1, *))
    }
    switch self {
    case .linear(let inputs, let outputs, let bias):
      return LinearLayer(inputs: inputs, outputs: outputs, hasBias: bias)
    case .conv2d(_, let outputs, let kernel, let stride, let padding, let bias):
      return ConvolutionLayer(
        window: window(kernel, stride, padding), outputs: outputs, hasBias: bias)
    case .maxPool2d(let kernel, let stride, let padding):
      return MaxPoolingLayer(window: window(kernel, stride, padding))
    case .averagePool2d(let kernel, let stride, let padding):
      return AveragePoolingLayer(window: window(kernel, stride, padding))
    case .flatten: return nil
    case .relu: return activation(.relu)
    case .tanh: return activation(.tanh)
    case .sigmoid: return activation(.sigmoid)
    case .gelu: return activation(.gelu)
    }
  }
}
