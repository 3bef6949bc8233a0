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
    let counts = Self.counts(for: shapes)
    matrices = (Buffer(count: counts.matrix), Buffer(count: counts.matrix))
    some = Buffer(count: counts.some)
    ones = Buffer(count: counts.order)
    ones.all.update(repeating: 1)
  }

  /// Bytes of one.
  public static func bytes(for shapes: [KroneckerShape]) -> Int {
    let counts = counts(for: shapes)
    return MemoryLayout<Element>.stride * (2 * counts.matrix + counts.some + counts.order)
  }

  private static func counts(
    for shapes: [KroneckerShape]
  ) -> (matrix: Int, some: Int, order: Int) {
    let some = shapes.map { shape in
      let (rows, columns) = (shape.isTable ? (shape.a, shape.b) : (shape.b, shape.a))
      return max(min(rowsAtOnce, rows.order) * columns.order, rows.order)
    }
    return (
      matrix: shapes.map { $0.a.order * $0.b.order }.max() ?? 0, some: some.max() ?? 0,
      order: shapes.map { max($0.a.order, $0.b.order) }.max() ?? 0
    )
  }
}
