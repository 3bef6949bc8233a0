/// Who owns what: `items` things in a row, shared out to `ranks` in runs as even as can be.
///
/// Pure arithmetic: every rank computes every rank's share. A power of two of ranks gets aligned
/// subtrees of a power of two of items.
public struct Partition: Sendable, Equatable {
  /// How many things there are to share out.
  public let items: Int
  /// p, how many they are shared out to.
  public let ranks: Int

  /// - Parameters:
  ///   - items: 0 or more.
  ///   - ranks: 1 or more.
  public init(of items: Int, over ranks: Int) {
    precondition(items >= 0 && ranks > 0, "\(items) items over \(ranks) ranks")
    self.items = items
    self.ranks = ranks
  }

  /// The items of a rank; empty where there are more ranks than items.
  public func range(of rank: Int) -> Range<Int> {
    items * rank / ranks..<items * (rank + 1) / ranks
  }
}

/// The cells of a parameter vector and the ranks that own them.
public struct CellPartition: Sendable, Equatable {
  /// What is shared out.
  public let cells: Cells
  private let owners: Partition

  /// Shares out the leaves of the tree over the cells, as evenly as can be.
  public init(_ cells: Cells, over ranks: Int) {
    self.cells = cells
    owners = Partition(of: cells.leaves, over: ranks)
  }

  /// p.
  public var ranks: Int { owners.ranks }

  /// The cells that a rank owns; none where there are more ranks than cells.
  public func cells(of rank: Int) -> Range<Int> {
    let owned = owners.range(of: rank)
    return min(owned.lowerBound, cells.count)..<min(owned.upperBound, cells.count)
  }

  /// The coordinates that a rank owns: its slice of a vector [d].
  public func slice(of rank: Int) -> Range<Int> {
    let owned = owners.range(of: rank)
    return cells.range(of: owned.lowerBound)
      .lowerBound..<cells.range(of: owned.upperBound)
      .lowerBound
  }

  /// The slices of all ranks, one after another.
  public var slices: [Range<Int>] { (0..<ranks).map(slice(of:)) }

  /// The cells of a rank, as ranges within its slice.
  public func cellsInSlice(of rank: Int) -> [Range<Int>] {
    let start = slice(of: rank).lowerBound
    return cells(of: rank).map { cell in
      let range = cells.range(of: cell)
      return range.lowerBound - start..<range.upperBound - start
    }
  }
}
