/// The cells of a parameter vector: equal runs of coordinates, cut from d alone.
///
/// Everything of size d is stored, computed and summed cell by cell, so that the number of ranks
/// decides who works on a cell and never what comes out of it.
public struct Cells: Sendable, Equatable {
  /// d.
  public let parameterCount: Int
  /// Coordinates in a cell; the last one may hold fewer. Where d alone decides, a multiple of 16: 64 bytes
  /// of `Float`.
  public let size: Int
  /// Leaves of the tree over the cells, a power of two; the last leaves may have no coordinates.
  public let leaves: Int

  /// 256 cells; fewer while a cell would hold less than 64 coordinates, more, by doubling, while it
  /// would hold over 4096.
  public init(parameterCount d: Int) {
    precondition(d >= 0, "a vector of \(d) parameters")
    var leaves = 256
    while leaves > 1 && d < 64 * leaves { leaves /= 2 }
    while d > 4096 * leaves { leaves *= 2 }
    parameterCount = d
    self.leaves = leaves
    size = max(16, ((d + leaves - 1) / leaves + 15) / 16 * 16)
  }

  /// Cells of a given size.
  public init(parameterCount d: Int, size: Int) {
    precondition(d >= 0 && size > 0, "a vector of \(d) parameters in cells of \(size)")
    let count = (d + size - 1) / size
    parameterCount = d
    self.size = size
    leaves = 1 << (Int.bitWidth - max(count - 1, 0).leadingZeroBitCount)
  }

  /// Cells that hold coordinates.
  public var count: Int { (parameterCount + size - 1) / size }

  /// The coordinates of a cell; empty past the last one.
  public func range(of cell: Int) -> Range<Int> {
    min(cell * size, parameterCount)..<min((cell + 1) * size, parameterCount)
  }
}
