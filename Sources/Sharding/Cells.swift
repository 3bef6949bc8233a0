/// Divides a parameter vector into cells, which are runs of coordinates. Cells have equal size if d
/// alone determines them.
///
/// Everything of size d is stored, computed and summed cell by cell. The number of ranks therefore
/// determines who computes a cell, and never the result.
public struct Cells: Sendable, Equatable {
  /// The number of parameters, d.
  public let parameterCount: Int
  /// Coordinates in a cell; the last cell may hold fewer. If d alone determines the size, it is a
  /// multiple of 16: 64 bytes of `Float`.
  public let size: Int
  /// Leaves of the tree over the cells, a power of two; the last leaves may have no coordinates.
  public let leaves: Int
  /// The first coordinate of each cell, then d; nil if all cells but the last have `size`
  /// coordinates.
  private let bounds: [Int]?

  /// Divides `d` parameters into 256 cells. The number is halved while a cell would hold fewer than
  /// 64 coordinates, and doubled while it would hold more than 4096.
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

  /// Divides `d` parameters into cells of a given size.
  public init(parameterCount d: Int, size: Int) {
    precondition(d >= 0 && size > 0, "a vector of \(d) parameters in cells of \(size)")
    parameterCount = d
    self.size = size
    leaves = Self.leaves(over: (d + size - 1) / size)
    bounds = nil
  }

  /// Divides `d` parameters into cells of a given size, and starts a new cell at each restart. The
  /// cell before a restart may hold fewer coordinates.
  ///
  /// - Parameter restarts: coordinates in non-decreasing order; the first is 0.
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

  /// The number of cells that hold coordinates.
  public var count: Int { bounds.map { $0.count - 1 } ?? (parameterCount + size - 1) / size }

  /// Returns the coordinates of a cell; an empty range past the last cell.
  public func range(of cell: Int) -> Range<Int> {
    guard let bounds else {
      return min(cell * size, parameterCount)..<min((cell + 1) * size, parameterCount)
    }
    return bounds[min(cell, count)]..<bounds[min(cell + 1, count)]
  }
}
