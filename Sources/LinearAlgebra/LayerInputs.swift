/// Inputs of a layer whose weight N examples share, and S positions of each: the rows x of the
/// matrix that multiplies the weight.
public enum LayerInputs<Element: Scalar> {
  /// X [N, S, width]
  case dense(UnsafePointer<Element>, width: Int)
  /// Tokens [N, S], standing for unit vectors of `vocabulary` elements.
  case tokens(UnsafePointer<Element>, vocabulary: Int)
  /// Images [N, height, width, channels]: S positions of a window, whose patches are the rows. A
  /// patch has the order c, ky, kx of the weight; the kernels' is ky, kx, c.
  case images(UnsafePointer<Element>, SlidingWindow)

  /// Elements of a row.
  public var width: Int {
    switch self {
    case .dense(_, let width): width
    case .tokens(_, let vocabulary): vocabulary
    case .images(_, let window): window.patchCount
    }
  }
}

extension SlidingWindow {
  /// Where each element of a patch in the weight's order c, ky, kx lies in the kernels' ky, kx, c.
  public var patchPlaces: [Int32] {
    let area = kernel * kernel
    return (0..<patchCount).map { Int32($0 % area * channels + $0 / area) }
  }
}
