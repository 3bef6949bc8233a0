/// The inputs of a layer whose weight is shared by N examples with S positions each: the rows x of
/// the matrix that multiplies the weight.
public enum LayerInputs<Element: Scalar> {
  /// X [N, S, width]
  case dense(UnsafePointer<Element>, width: Int)
  /// Tokens [N, S], each a unit vector of `vocabulary` elements.
  case tokens(UnsafePointer<Element>, vocabulary: Int)
  /// Images [N, height, width, channels]; the rows are the patches of S window positions. A patch
  /// has the weight's order c, ky, kx; kernels use the order ky, kx, c.
  case images(UnsafePointer<Element>, SlidingWindow)

  /// The number of elements of a row.
  public var width: Int {
    switch self {
    case .dense(_, let width): width
    case .tokens(_, let vocabulary): vocabulary
    case .images(_, let window): window.patchCount
    }
  }
}

extension SlidingWindow {
  /// The place of each element of a patch, listed in the weight's order c, ky, kx, within the
  /// kernels' order ky, kx, c.
  public var patchPlaces: [Int32] {
    let area = kernel * kernel
    return (0..<patchCount).map { Int32($0 % area * channels + $0 / area) }
  }
}
