import LinearAlgebra

/// Memory that the inverses of layers take turns with.
public final class KroneckerWorkspace<Element: Scalar> {
  /// Rows of a product that are made at once: enough for BLAS to be as fast as with all of them,
  /// and few enough for ranks to share them evenly.
  static var rowsAtOnce: Int { 96 }

  /// Each of a layer's matrix.
  let matrices: (Buffer<Element>, Buffer<Element>)
  /// Of some rows of it, or of a bias.
  let some: Buffer<Element>
  /// Of either order.
  let ones: Buffer<Element>

  /// - Parameter shapes: of the layers.
  public init(for shapes: [KroneckerShape]) {
    let matrix = shapes.map { $0.a.order * $0.b.order }.max() ?? 0
    matrices = (Buffer(count: matrix), Buffer(count: matrix))
    some = Buffer(
      count: shapes.map { shape in
        let (rows, columns) = (shape.isTable ? (shape.a, shape.b) : (shape.b, shape.a))
        return max(min(Self.rowsAtOnce, rows.order) * columns.order, rows.order)
      }.max() ?? 0)
    ones = Buffer(
      repeating: 1, count: shapes.map { max($0.a.order, $0.b.order) }.max() ?? 0)
  }
}
