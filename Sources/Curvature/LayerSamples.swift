import LinearAlgebra

/// Multiplies a vector by a layer's curvature, from the inputs x and output gradients g of one
/// micro-batch. It forms neither a block of the Fisher matrix nor Kronecker factors.
///
///     v [d_out·d_in + d_out]   the weight, then the bias, as in the layout of parameters
///
/// The exact block is Σₙ Σ_c vec(Gₙ_c) vec(Gₙ_c)ᵀ with Gₙ_c = Σₛ g xᵀ. Its product takes two passes
/// through the layer: z = V x, αₙ_c = Σₛ ⟨g, z⟩, h = Σ_c αₙ_c g, then the gradient Σ h xᵀ. V Σ x xᵀ
/// takes the same passes with h = z; Σ g (gᵀ V) takes two products. If the factors are reduced, x
/// and g are stored as means over the positions.
///
/// Chen, "An iterative K-FAC algorithm for deep learning" (CG-FAC), arXiv 2101.00218.
public final class LayerSamples<Element: Scalar> {
  public let shape: KroneckerShape
  /// The number of vectors ▲ per example.
  public let columns: Int
  private let operation: CurvatureOperator
  private let maximumExamples: Int
  private let workspace: SampleWorkspace<Element>
  /// The number of positions stored for each example.
  private let positions: Int
  /// N, the number of examples in the micro-batch.
  public private(set) var examples = 0
  private var inputs: LayerInputs<Element>?
  private let stored: Buffer<Element>
  /// [N, columns, S·d_out]
  private let gradients: Buffer<Element>

  /// Allocates memory for the samples of one micro-batch.
  ///
  /// - Parameters:
  ///   - operation: the product that the samples serve.
  ///   - columns: the number of vectors ▲ per example.
  ///   - exampleInputs: the number of inputs of one example.
  public init(
    _ shape: KroneckerShape, for operation: CurvatureOperator, columns: Int, exampleInputs: Int,
    maximumExamples: Int, workspace: SampleWorkspace<Element>
  ) {
    self.shape = shape
    self.operation = operation
    self.columns = columns
    self.maximumExamples = maximumExamples
    self.workspace = workspace
    positions = shape.keptPositions(operation)
    stored = Buffer(
      count: maximumExamples * (shape.reduces(operation) ? shape.inputs : exampleInputs))
    gradients = Buffer(count: maximumExamples * columns * positions * shape.outputs)
    workspace.grow(
      outputs: maximumExamples * positions * shape.outputs, weights: columns,
      scratch: shape.outputChunk(Element.self) * (shape.inputs + 1))
  }

  /// Copies the inputs of a micro-batch; replaces the previous ones.
  public func setInputs(_ inputs: LayerInputs<Element>, examples: Int) {
    precondition(examples <= maximumExamples, "\(examples) examples for \(maximumExamples)")
    self.examples = examples
    if shape.reduces(operation) {
      reduce(inputs)
      self.inputs = .dense(UnsafePointer(stored.pointer), width: shape.inputs)
      return
    }
    func copy(_ x: UnsafePointer<Element>, width: Int) -> UnsafePointer<Element> {
      precondition(
        maximumExamples * width == stored.count, "\(width) inputs of an example in \(stored.count)")
      stored.pointer.update(from: x, count: examples * width)
      return UnsafePointer(stored.pointer)
    }
    switch inputs {
    case .dense(let x, let width):
      self.inputs = .dense(copy(x, width: positions * width), width: width)
    case .tokens(let tokens, let vocabulary):
      self.inputs = .tokens(copy(tokens, width: positions), vocabulary: vocabulary)
    case .images(let x, let window):
      self.inputs = .images(
        copy(x, width: window.height * window.width * window.channels), window)
      let sizes = ConvolutionSizes(window, outputs: shape.outputs, of: Element.self)
      workspace.grow(scratch: sizes.packed + sizes.scratch)
    }
  }

  /// Stores means over the positions, [N, d_in]; of tokens, each one's count divided by S.
  private func reduce(_ inputs: LayerInputs<Element>) {
    let (width, y) = (shape.inputs, stored.pointer)
    let share = 1 / Element(shape.positions)
    switch inputs {
    case .dense(let x, _):
      Element.rowMeans(
        count: examples, rows: shape.positions, columns: width, of: x, into: y)
    case .images(let x, let window):
      workspace.grow(scratch: examples * width + window.kernel * window.channels)
      let sums = workspace.scratch.pointer
      Element.patchSums(
        window, examples: examples, of: x, scratch: sums + examples * width, into: sums)
      let places = window.patchPlaces
      for n in 0..<examples {
        for i in 0..<width { y[n * width + i] = share * sums[n * width + Int(places[i])] }
      }
    case .tokens(let tokens, _):
      y.update(repeating: 0, count: examples * width)
      for i in 0..<examples * shape.positions {
        y[i / shape.positions * width + Int(tokens[i])] += share
      }
    }
  }

  /// Copies the output gradients of one column.
  ///
  /// - Parameters:
  ///   - gradients: g [N, S, d_out] for the examples of `setInputs`.
  ///   - scale: a factor for g that undoes an earlier division.
  public func setOutputGradients(
    _ gradients: UnsafePointer<Element>, column: Int, scale: Double = 1
  ) {
    precondition(column < columns, "column \(column) of \(columns)")
    var g = gradients
    if shape.reduces(operation) {
      Element.rowMeans(
        count: examples, rows: shape.positions, columns: shape.outputs, of: g,
        into: workspace.outputs.pointer)
      g = UnsafePointer(workspace.outputs.pointer)
    }
    let width = positions * shape.outputs
    for n in 0..<examples {
      Element.combine(
        count: width, alpha: Element(scale), g + n * width, beta: 0,
        into: self.gradients.pointer + (n * columns + column) * width)
    }
  }

  /// True if no output gradient is an infinity or a NaN.
  public var isFinite: Bool {
    Element.dot(
      count: examples * columns * positions * shape.outputs, gradients.pointer, gradients.pointer
    ).isFinite
  }

  /// Computes `y = Σₙ Σ_c vec(Gₙ_c) vec(Gₙ_c)ᵀ v`.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias.
  ///   - y: same shape, overwritten; must not be v.
  public func multiply(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    precondition(operation == .fisher, "samples for \(operation)")
    forward(v)
    let (width, weights) = (positions * shape.outputs, workspace.weights.pointer)
    for n in 0..<examples {
      let g = gradients.pointer + n * columns * width
      let z = workspace.outputs.pointer + n * width
      Element.product(
        rows: columns, columns: 1, inner: width, alpha: 1, a: g, strideA: width,
        transposeA: false, b: z, strideB: 1, transposeB: false, beta: 0, c: weights, strideC: 1)
      Element.product(
        rows: 1, columns: width, inner: columns, alpha: 1, a: weights, strideA: columns,
        transposeA: false, b: g, strideB: width, transposeB: false, beta: 0, c: z, strideC: width)
    }
    backward(examples: 0..<examples, h: workspace.outputs.pointer, y)
  }

  /// Writes Gₙ_c of one example and column: the weight, then the bias.
  ///
  /// - Parameter y: overwritten.
  public func gradient(
    example: Int, column: Int, into y: UnsafeMutablePointer<Element>
  ) {
    precondition(operation == .fisher, "samples for \(operation)")
    precondition(
      example < examples && column < columns, "example \(example), column \(column)")
    let width = positions * shape.outputs
    backward(
      examples: example..<example + 1,
      h: gradients.pointer + (example * columns + column) * width, y)
  }

  /// Computes `y = V Σ x xᵀ`, with a 1 appended to x for a bias; x are means over the positions if
  /// the factors are reduced.
  public func multiplyInputs(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    forward(v)
    backward(examples: 0..<examples, h: workspace.outputs.pointer, y)
  }

  /// Computes `y = Σ g gᵀ V`, with the bias as a column of V; g are means over the positions if the
  /// factors are reduced.
  public func multiplyOutputs(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    let (rows, weight) = (examples * columns * positions, shape.inputs * shape.outputs)
    let step = shape.outputChunk(Element.self)
    for start in stride(from: 0, to: rows, by: step) {
      let count = min(step, rows - start)
      let g = UnsafePointer(gradients.pointer + start * shape.outputs)
      addOuter(g, count, width: shape.inputs, v, accumulates: start > 0, into: y)
      if shape.hasBias {
        addOuter(g, count, width: 1, v + weight, accumulates: start > 0, into: y + weight)
      }
    }
  }

  /// Adds Gᵀ (G V) over rows of g; forms G V [count, width] first.
  private func addOuter(
    _ g: UnsafePointer<Element>, _ count: Int, width: Int, _ v: UnsafePointer<Element>,
    accumulates: Bool, into y: UnsafeMutablePointer<Element>
  ) {
    let (t, outputs) = (workspace.scratch.pointer, shape.outputs)
    let stride = shape.isTable ? outputs : width
    let (beta, isTable) = (accumulates ? Element(1) : 0, shape.isTable)
    Element.product(
      rows: count, columns: width, inner: outputs, alpha: 1, a: g, strideA: outputs,
      transposeA: false, b: v, strideB: stride, transposeB: isTable, beta: 0, c: t, strideC: width)
    Element.product(
      rows: isTable ? width : outputs, columns: stride, inner: count, alpha: 1,
      a: isTable ? UnsafePointer(t) : g, strideA: isTable ? width : outputs, transposeA: true,
      b: isTable ? g : UnsafePointer(t), strideB: stride, transposeB: false, beta: beta, c: y,
      strideC: stride)
  }

  /// Computes z = V x.
  private func forward(_ v: UnsafePointer<Element>) {
    let (rows, z) = (examples * positions, workspace.outputs.pointer)
    let bias = shape.hasBias ? v + shape.inputs * shape.outputs : nil
    switch inputs {
    case .dense(let x, let width):
      Element.product(
        rows: rows, columns: shape.outputs, inner: width, alpha: 1, a: x, strideA: width,
        transposeA: false, b: v, strideB: shape.isTable ? shape.outputs : width,
        transposeB: !shape.isTable, beta: 0, c: z, strideC: shape.outputs)
      if let bias {
        Element.addBias(rows: rows, columns: shape.outputs, bias: bias, to: z)
      }
    case .tokens(let tokens, _):
      Element.embed(count: rows, width: shape.outputs, tokens: tokens, table: v, into: z)
    case .images(let x, let window):
      let sizes = ConvolutionSizes(window, outputs: shape.outputs, of: Element.self)
      let packed = workspace.scratch.pointer
      Element.packWeights(window, outputs: shape.outputs, v, into: packed)
      Element.convolve(
        window, outputs: shape.outputs, examples: examples, x, packed: packed, bias: bias,
        accumulates: false, scratch: packed + sizes.packed, into: z)
    case nil: preconditionFailure("no inputs of a micro-batch")
    }
  }

  /// Computes y = Σ h xᵀ over some examples, given their h, and Σ h for the bias.
  private func backward(
    examples: Range<Int>, h: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>
  ) {
    let (rows, outputs) = (examples.count * positions, shape.outputs)
    let first = examples.lowerBound * positions
    switch inputs {
    case .dense(let x, let width):
      let isTable = shape.isTable
      Element.product(
        rows: isTable ? width : outputs, columns: isTable ? outputs : width, inner: rows, alpha: 1,
        a: isTable ? x + first * width : h, strideA: isTable ? width : outputs, transposeA: true,
        b: isTable ? h : x + first * width, strideB: isTable ? outputs : width, transposeB: false,
        beta: 0, c: y,
        strideC: isTable ? outputs : width)
    case .tokens(let tokens, let vocabulary):
      y.update(repeating: 0, count: vocabulary * outputs)
      Element.embedGradient(count: rows, width: outputs, tokens: tokens + first, h, addingTo: y)
    case .images(let x, let window):
      let sizes = ConvolutionSizes(window, outputs: outputs, of: Element.self)
      let size = window.height * window.width * window.channels
      let packed = workspace.scratch.pointer
      Element.weightGradient(
        window, outputs: outputs, examples: examples.count,
        x + examples.lowerBound * size, h, scratch: packed + sizes.packed, into: packed)
      Element.unpackWeights(window, outputs: outputs, packed, into: y)
    case nil: preconditionFailure("no inputs of a micro-batch")
    }
    if shape.hasBias {
      Element.columnSums(rows: rows, columns: outputs, of: h, into: y + shape.inputs * outputs)
    }
  }
}
