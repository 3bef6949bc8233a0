import LinearAlgebra

/// y = x + addend. Its output's gradient is that of both.
struct AdditionLayer<Element: Scalar>: Layer {
  let outputCount: Int

  var outputPlace: OutputPlace { .overInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.add(count: call.examples * outputCount, x, call.addend!, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let count = call.examples * outputCount
    if let x = tangents.x, let addend = tangents.addend {
      Element.add(count: count, x, addend, into: tangents.y)
    } else if let only = tangents.x ?? tangents.addend, only != UnsafePointer(tangents.y) {
      tangents.y.update(from: only, count: count)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {}
}
