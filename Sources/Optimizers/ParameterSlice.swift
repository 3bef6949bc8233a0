import LinearAlgebra
import Sharding

/// Describes a slice [d/p] of the parameters to its optimizer: the cells, their pieces that each
/// belong to one group, and the parameters that stay zero.
struct ParameterSlice {
  /// Describes a run of one group within a cell.
  struct Piece {
    var range: Range<Int>
    let group: Int
  }

  let count: Int
  /// The cells, as ranges of the slice.
  let cells: [Range<Int>]
  let groups: [ParameterGroup]
  private let pieces: [Piece]
  private let piecesOfCell: [Range<Int>]
  /// Parameters of the slice that stay zero, in increasing order.
  let zeros: [Int32]
  /// True if any parameter of the whole vector stays zero, on this rank or another.
  let hasZeros: Bool

  init(_ partition: CellPartition, rank: Int, groups: ParameterGroups) {
    let slice = partition.slice(of: rank)
    count = slice.count
    cells = partition.cellsInSlice(of: rank)
    self.groups = groups.groups
    precondition(
      groups.runs.last!.range.upperBound >= slice.upperBound
        && groups.staysZero.map { $0.count == partition.cells.parameterCount } ?? true,
      "the groups do not match a vector of \(partition.cells.parameterCount) parameters")
    var pieces: [Piece] = []
    var piecesOfCell: [Range<Int>] = []
    var run = 0
    for cell in cells {
      let first = pieces.count
      var start = cell.lowerBound
      while start < cell.upperBound {
        while groups.runs[run].range.upperBound - slice.lowerBound <= start { run += 1 }
        let end = min(cell.upperBound, groups.runs[run].range.upperBound - slice.lowerBound)
        let group = groups.runs[run].group
        if pieces.count > first, pieces.last!.group == group {
          pieces[pieces.count - 1].range = pieces.last!.range.lowerBound..<end
        } else {
          pieces.append(Piece(range: start..<end, group: group))
        }
        start = end
      }
      piecesOfCell.append(first..<pieces.count)
    }
    self.pieces = pieces
    self.piecesOfCell = piecesOfCell
    hasZeros = groups.staysZero != nil
    zeros =
      groups.staysZero.map { stays in
        slice.filter { stays[$0] }.map { Int32($0 - slice.lowerBound) }
      } ?? []
    MemoryCount.add(zeros.count, of: Int32.self)
  }

  /// True if a group keeps parameters of the whole vector out of M-FAC's window.
  var hasOutside: Bool { groups.contains { !$0.usesMFAC } }

  /// Returns the pieces of the cell at `index`, in order.
  func pieces(ofCell index: Int) -> ArraySlice<Piece> { pieces[piecesOfCell[index]] }

  /// Sets the elements of a vector of the slice to zero for the parameters that stay zero.
  func clearZeros<Element: Scalar>(of x: UnsafeMutableBufferPointer<Element>) {
    for i in zeros { x[Int(i)] = 0 }
  }

  /// Holds the numbers of a group's step: w ← remainder·w − rate·direction.
  struct GroupStep<Element: Scalar> {
    let rate: Double
    let remainder: Element
  }

  /// Returns the numbers of each group's step, from the group's own rates.
  func steps<Element>(learningRate: Double, decay: WeightDecay) -> [GroupStep<Element>] {
    groups.map { group in
      let rate = learningRate * group.rateFactor
      return GroupStep(
        rate: rate, remainder: decay.at(group.weightDecay).remainder(learningRate: rate))
    }
  }
}

/// Divides ranges of the parameters, such as those of layers, among the ranks that own them.
func pieces(
  of ranges: [Range<Int>], _ slices: [Range<Int>]
) -> [(index: Int, rank: Int, range: Range<Int>)] {
  ranges.enumerated().flatMap { index, range in
    slices.indices.compactMap { rank in
      let piece = range.clamped(to: slices[rank])
      return piece.isEmpty ? nil : (index, rank, piece)
    }
  }
}
