import LinearAlgebra

/// Transposes [rows, columns] of each example to [columns, rows], which moves an image's channels
/// to the end or the front of its shape. With a single row or column nothing moves.
struct TranspositionLayer<Element: Scalar>: LinearMapLayer {
  let rows: Int
  let columns: Int

  var outputCount: Int { rows * columns }
  var outputPlace: OutputPlace { rows == 1 || columns == 1 ? .sameAsInput : .separate }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.transpose(count: call.examples, rows: rows, columns: columns, x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.transpose(count: call.examples, rows: columns, columns: rows, places.dy, into: dx)
  }
}
