import LinearAlgebra

/// Where a layer's tangent call finds the derivatives, along one direction, of what it reads, and
/// leaves that of its output. For those before the first parameters there is nil, for zeros; not
/// both x and the addend are nil where a layer has no parameters.
struct LayerTangents<Element: Scalar> {
  /// ẋ
  let x: UnsafePointer<Element>?
  let addend: UnsafePointer<Element>?
  /// The direction v of the layer's own parameters.
  let parameters: UnsafePointer<Element>
  /// ẏ, overwritten, which may be ẋ where the output may be over the input.
  let y: UnsafeMutablePointer<Element>
}

/// A layer without parameters that is linear in its input, and so its own derivative.
protocol LinearMapLayer<Element>: FactorlessLayer {}

extension LinearMapLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    forward(call, tangents.x!, into: tangents.y)
  }
}
