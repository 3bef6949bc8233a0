/// Divides `items` consecutive items among `ranks` ranks, in runs whose sizes differ by at most
/// one.
///
/// It is pure arithmetic, so every rank computes every rank's share. If the numbers of ranks and
/// items are both powers of two, each rank owns one aligned subtree.
public struct Partition: Sendable, Equatable {
  public let items: Int
  /// The number of ranks, p.
  public let ranks: Int

  /// Divides `items` among `ranks`.
  ///
  /// - Parameters:
  ///   - items: 0 or more.
  ///   - ranks: 1 or more.
  public init(of items: Int, over ranks: Int) {
    precondition(items >= 0 && ranks > 0, "\(items) items over \(ranks) ranks")
    self.items = items
    self.ranks = ranks
  }

  /// Returns the items of a rank; an empty range for some ranks if there are more ranks than items.
  public func range(of rank: Int) -> Range<Int> {
    items * rank / ranks..<items * (rank + 1) / ranks
  }
}

/// Assigns the cells of a parameter vector to ranks.
public struct CellPartition: Sendable, Equatable {
  public let cells: Cells
  private let owners: Partition

  /// Divides the leaves of the tree over the cells among the ranks, as evenly as possible.
  public init(_ cells: Cells, over ranks: Int) {
    self.cells = cells
    owners = Partition(of: cells.leaves, over: ranks)
  }

  /// The number of ranks, p.
  public var ranks: Int { owners.ranks }

  /// Returns the cells that a rank owns; an empty range for some ranks if there are more ranks than
  /// cells.
  public func cells(of rank: Int) -> Range<Int> {
    let owned = owners.range(of: rank)
    return min(owned.lowerBound, cells.count)..<min(owned.upperBound, cells.count)
  }

  /// Returns the coordinates that a rank owns: its slice of a vector [d].
  public func slice(of rank: Int) -> Range<Int> {
    let owned = owners.range(of: rank)
    return cells.range(of: owned.lowerBound)
      .lowerBound..<cells.range(of: owned.upperBound)
      .lowerBound
  }

  /// The slices of all ranks, in the order of the ranks.
  public var slices: [Range<Int>] { (0..<ranks).map(slice(of:)) }

  /// Returns the cells of a rank as ranges within its slice.
  public func cellsInSlice(of rank: Int) -> [Range<Int>] {
    let start = slice(of: rank).lowerBound
    return cells(of: rank).map { cell in
      let range = cells.range(of: cell)
      return range.lowerBound - start..<range.upperBound - start
    }
  }
}
