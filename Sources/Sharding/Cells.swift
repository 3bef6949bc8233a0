/// The cells of a parameter vector: runs of coordinates, equal ones where d alone decides.
///
/// Everything of size d is stored, computed and summed cell by cell, so that the number of ranks
/// decides who works on a cell and never what comes out of it.
public struct Cells: Sendable, Equatable {
  /// d.
  public let parameterCount: Int
  /// Coordinates in a cell; the last one may hold fewer. Where d alone decides, a multiple of 16:
  /// 64 bytes of `Float`.
  public let size: Int
  /// Leaves of the tree over the cells, a power of two; the last leaves may have no coordinates.
  public let leaves: Int
  /// Where each cell begins, and d; none where all but the last one are of `size`.
  private let bounds: [Int]?

  /// 256 cells; fewer while a cell would hold less than 64 coordinates, more, by doubling, while it
  /// would hold over 4096.
  public init(parameterCount d: Int) {
    precondition(d >= 0, "a vector of \(d) parameters")
    var leaves = 256
    while leaves > 1 && d < 64 * leaves { leaves /= 2 }
    while d > 4096 * leaves { leaves *= 2 }
    parameterCount = d
    self.leaves = leaves
    bounds = nil
    size = max(16, ((d + leaves - 1) / leaves + 15) / 16 * 16)
  }

  /// Cells of a given size.
  public init(parameterCount d: Int, size: Int) {
    precondition(d >= 0 && size > 0, "a vector of \(d) parameters in cells of \(size)")
    parameterCount = d
    self.size = size
    leaves = Self.leaves(over: (d + size - 1) / size)
    bounds = nil
  }

  /// Cells of a given size that begin anew at some coordinates; those before these may hold fewer.
  ///
  /// - Parameter restarts: from 0 on, none before the one before it.
  public init(parameterCount d: Int, size: Int, restartingAt restarts: [Int]) {
    precondition(
      d >= 0 && size > 0 && restarts.first == 0 && restarts.last! <= d
        && zip(restarts, restarts.dropFirst()).allSatisfy(<=),
      "a vector of \(d) parameters in cells of \(size) from \(restarts) on")
    let starts = zip(restarts, restarts.dropFirst() + [d]).flatMap {
      stride(from: $0, to: $1, by: size)
    }
    parameterCount = d
    self.size = size
    leaves = Self.leaves(over: starts.count)
    bounds = starts + [d]
  }

  private static func leaves(over count: Int) -> Int {
    1 << (Int.bitWidth - max(count - 1, 0).leadingZeroBitCount)
  }

  /// Cells that hold coordinates.
  public var count: Int { bounds.map { $0.count - 1 } ?? (parameterCount + size - 1) / size }

  /// The coordinates of a cell; empty past the last one.
  public func range(of cell: Int) -> Range<Int> {
    guard let bounds else {
      return min(cell * size, parameterCount)..<min((cell + 1) * size, parameterCount)
    }
    return bounds[min(cell, count)]..<bounds[min(cell + 1, count)]
  }
}
