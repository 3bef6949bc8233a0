import LinearAlgebra

/// Provides the memory that the inverses of several layers share, one after another.
public final class KroneckerWorkspace<Element: Scalar> {
  /// The rows of a product computed at once: enough for BLAS to be as fast as with all rows, and
  /// few enough for ranks to share them evenly.
  static var rowsAtOnce: Int { 96 }

  /// Two buffers, each the size of a layer's matrix.
  let matrices: (Buffer<Element>, Buffer<Element>)
  /// A chunk of rows of the matrix, or a bias.
  let some: Buffer<Element>
  /// Ones, the length of the larger factor order.
  let ones: Buffer<Element>

  /// Allocates memory for the largest of the layers' shapes.
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
