import LinearAlgebra

/// A layer's inputs x and output gradients g of a micro-batch, from which its exact block of the Fisher
/// matrix, Σₙ Σ_c vec(Gₙ_c) vec(Gₙ_c)ᵀ with Gₙ_c = Σₛ g xᵀ, multiplies a vector: neither the block
/// nor its factors are formed.
///
///     v [d_out·d_in + d_out]   the weight, then the bias, as in the layout of parameters
///
/// Two passes through the layer: z = V x, αₙ_c = Σₛ ⟨g, z⟩, h = Σ_c αₙ_c g, and the gradient Σ h xᵀ.
/// Chen, "An iterative K-FAC algorithm for deep learning" (CG-FAC), arXiv 2101.00218.
public final class LayerSamples<Element: Scalar> {
  /// Of the layer.
  public let shape: KroneckerShape
  /// Vectors ▲ of a call.
  public let columns: Int
  private let maximumExamples: Int
  /// N
  public private(set) var examples = 0
  private var inputs: LayerInputs<Element>?
  private var stored = Buffer<Element>(count: 0)
  /// [N, columns, S·d_out]
  private let gradients: Buffer<Element>
  /// z, then h [N, S, d_out]
  private let outputs: Buffer<Element>
  private let weights: Buffer<Element>
  /// Of a convolution's kernels.
  private var scratch = Buffer<Element>(count: 0)

  /// - Parameter columns: the vectors ▲ of a call.
  public init(_ shape: KroneckerShape, columns: Int, maximumExamples: Int) {
    self.shape = shape
    self.columns = columns
    self.maximumExamples = maximumExamples
    let count = maximumExamples * shape.positions * shape.outputs
    gradients = Buffer(count: columns * count)
    outputs = Buffer(count: count)
    weights = Buffer(count: columns)
  }

  /// Keeps a copy of the inputs, in place of those before.
  public func setInputs(_ inputs: LayerInputs<Element>, examples: Int) {
    precondition(examples <= maximumExamples, "\(examples) examples for \(maximumExamples)")
    self.examples = examples
    func copy(_ x: UnsafePointer<Element>, width: Int) -> UnsafePointer<Element> {
      if stored.count < maximumExamples * width { stored = Buffer(count: maximumExamples * width) }
      stored.pointer.update(from: x, count: examples * width)
      return UnsafePointer(stored.pointer)
    }
    switch inputs {
    case .dense(let x, let width):
      self.inputs = .dense(copy(x, width: shape.positions * width), width: width)
    case .tokens(let tokens, let vocabulary):
      self.inputs = .tokens(copy(tokens, width: shape.positions), vocabulary: vocabulary)
    case .images(let x, let window):
      let size = window.height * window.width * window.channels
      self.inputs = .images(copy(x, width: size), window)
      let sizes = ConvolutionSizes(window, outputs: shape.outputs, of: Element.self)
      if scratch.count == 0 { scratch = Buffer(count: sizes.packed + sizes.scratch) }
    }
  }

  /// Keeps a copy of the gradients of a column.
  ///
  /// - Parameters:
  ///   - gradients: g [N, S, d_out], of the examples that the inputs are of.
  ///   - scale: what g is to be multiplied by, where it was divided by something.
  public func setOutputGradients(
    _ gradients: UnsafePointer<Element>, column: Int, scale: Double = 1
  ) {
    precondition(column < columns, "column \(column) of \(columns)")
    let width = shape.positions * shape.outputs
    for n in 0..<examples {
      Element.combine(
        count: width, alpha: Element(scale), gradients + n * width, beta: 0,
        into: self.gradients.pointer + (n * columns + column) * width)
    }
  }

  /// `y = Σₙ Σ_c vec(Gₙ_c) vec(Gₙ_c)ᵀ v`.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias.
  ///   - y: of the same shape, overwritten; not v.
  public func multiply(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    guard let inputs else { preconditionFailure("no inputs of a micro-batch") }
    forward(inputs, v)
    let width = shape.positions * shape.outputs
    for n in 0..<examples {
      let g = gradients.pointer + n * columns * width
      let z = outputs.pointer + n * width
      Element.product(
        rows: columns, columns: 1, inner: width, alpha: 1, a: g, strideA: width,
        transposeA: false, b: z, strideB: 1, transposeB: false, beta: 0, c: weights.pointer,
        strideC: 1)
      Element.product(
        rows: 1, columns: width, inner: columns, alpha: 1, a: weights.pointer, strideA: columns,
        transposeA: false, b: g, strideB: width, transposeB: false, beta: 0, c: z, strideC: width)
    }
    backward(inputs, examples: 0..<examples, h: outputs.pointer, y)
  }

  /// Gₙ_c of an example and a column: the weight, then the bias.
  ///
  /// - Parameter y: overwritten.
  public func gradient(
    example: Int, column: Int, into y: UnsafeMutablePointer<Element>
  ) {
    guard let inputs else { preconditionFailure("no inputs of a micro-batch") }
    precondition(
      example < examples && column < columns, "example \(example), column \(column)")
    let width = shape.positions * shape.outputs
    backward(
      inputs, examples: example..<example + 1,
      h: gradients.pointer + (example * columns + column) * width, y)
  }

  /// z = V x
  private func forward(_ inputs: LayerInputs<Element>, _ v: UnsafePointer<Element>) {
    let rows = examples * shape.positions
    let bias = shape.hasBias ? v + shape.inputs * shape.outputs : nil
    switch inputs {
    case .dense(let x, let width):
      Element.product(
        rows: rows, columns: shape.outputs, inner: width, alpha: 1, a: x, strideA: width,
        transposeA: false, b: v, strideB: width, transposeB: true, beta: 0, c: outputs.pointer,
        strideC: shape.outputs)
      if let bias {
        Element.addBias(rows: rows, columns: shape.outputs, bias: bias, to: outputs.pointer)
      }
    case .tokens(let tokens, _):
      Element.embed(
        count: rows, width: shape.outputs, tokens: tokens, table: v, into: outputs.pointer)
    case .images(let x, let window):
      let sizes = ConvolutionSizes(window, outputs: shape.outputs, of: Element.self)
      Element.packWeights(window, outputs: shape.outputs, v, into: scratch.pointer)
      Element.convolve(
        window, outputs: shape.outputs, examples: examples, x, packed: scratch.pointer, bias: bias,
        accumulates: false, scratch: scratch.pointer + sizes.packed, into: outputs.pointer)
    }
  }

  /// y = Σ h xᵀ over some examples, whose h these are, and Σ h for the bias.
  private func backward(
    _ inputs: LayerInputs<Element>, examples: Range<Int>, h: UnsafePointer<Element>,
    _ y: UnsafeMutablePointer<Element>
  ) {
    let rows = examples.count * shape.positions
    let first = examples.lowerBound * shape.positions
    switch inputs {
    case .dense(let x, let width):
      Element.product(
        rows: shape.outputs, columns: width, inner: rows, alpha: 1, a: h, strideA: shape.outputs,
        transposeA: true, b: x + first * width, strideB: width, transposeB: false, beta: 0, c: y,
        strideC: width)
    case .tokens(let tokens, let vocabulary):
      y.update(repeating: 0, count: vocabulary * shape.outputs)
      Element.embedGradient(
        count: rows, width: shape.outputs, tokens: tokens + first, h, addingTo: y)
    case .images(let x, let window):
      let sizes = ConvolutionSizes(window, outputs: shape.outputs, of: Element.self)
      let size = window.height * window.width * window.channels
      Element.weightGradient(
        window, outputs: shape.outputs, examples: examples.count,
        x + examples.lowerBound * size, h, scratch: scratch.pointer + sizes.packed,
        into: scratch.pointer)
      Element.unpackWeights(window, outputs: shape.outputs, scratch.pointer, into: y)
    }
    if shape.hasBias {
      Element.columnSums(
        rows: rows, columns: shape.outputs, of: h, into: y + shape.inputs * shape.outputs)
    }
  }
}
