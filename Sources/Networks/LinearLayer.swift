import LinearAlgebra

/// y = x Wᵀ + b
///
///   x [n, in], W [out, in], b [out], y [n, out]
struct LinearLayer<Element: Scalar>: Layer {
  let inputs: Int
  let outputs: Int
  let hasBias: Bool

  var outputCount: Int { outputs }
  var outputPlace: OutputPlace { .own }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.product(
      rows: call.examples, columns: outputs, inner: inputs, alpha: 1,
      a: x, strideA: inputs, transposeA: false,
      b: call.parameters, strideB: inputs, transposeB: true,
      beta: 0, c: y, strideC: outputs)
    if hasBias {
      Element.addBias(
        rows: call.examples, columns: outputs, bias: call.parameters + outputs * inputs, to: y)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    dy: UnsafePointer<Element>, gradient: UnsafeMutablePointer<Element>,
    dx: UnsafeMutablePointer<Element>?
  ) {
    // ∂W = dyᵀ x, ∂b = Σ dy, dx = dy W
    Element.product(
      rows: outputs, columns: inputs, inner: call.examples, alpha: 1,
      a: dy, strideA: outputs, transposeA: true,
      b: x, strideB: inputs, transposeB: false,
      beta: 0, c: gradient, strideC: inputs)
    if hasBias {
      Element.columnSums(
        rows: call.examples, columns: outputs, of: dy, into: gradient + outputs * inputs)
    }
    if let dx {
      Element.product(
        rows: call.examples, columns: inputs, inner: outputs, alpha: 1,
        a: dy, strideA: outputs, transposeA: false,
        b: call.parameters, strideB: inputs, transposeB: false,
        beta: 0, c: dx, strideC: inputs)
    }
  }
}
