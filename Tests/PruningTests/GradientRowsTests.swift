import Curvature
import Foundation
import LinearAlgebra
import Testing

struct GradientRowsTests {
  @Test("rows are stored block by block", arguments: [false, true])
  func blockOrder(isPaged: Bool) throws {
    let rows = try GradientRows(
      count: 2, blocks: [0..<3, 3..<4],
      pagedIn: isPaged ? FileManager.default.temporaryDirectory.path : nil)
    for row in 0..<2 {
      let x = (0..<4).map { Float(10 * row + $0) }
      x.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    #expect(Array(rows.block(0)) == [0, 1, 2, 10, 11, 12])
    #expect(Array(rows.block(1)) == [3, 13])
  }

  /// Covers blocks of several pages and of parts of one, in any order, and rows that are stored
  /// again.
  @Test("pages hold the same rows as memory") func pagedRows() throws {
    let blocks = [0..<5000, 5000..<5000, 5000..<5007, 5007..<9000]
    let paged = try GradientRows(
      count: 3, blocks: blocks, pagedIn: FileManager.default.temporaryDirectory.path)
    let plain = GradientRows(count: 3, blocks: blocks)
    for round in 0..<2 {
      for row in round..<3 {
        let x = (0..<9000).map { Float($0 + 10_000 * (row + 3 * round)) }
        x.withUnsafeBufferPointer {
          plain.store($0, row: row)
          paged.store($0, row: row)
        }
      }
      for block in [0, 1, 2, 3, 1, 3, 0, 2] {
        #expect(Array(paged.block(block)) == Array(plain.block(block)))
      }
    }
  }

  /// No disk has this much room; the rows are refused before any byte is allocated.
  @Test("a disk without enough room is refused") func fullDisk() {
    let directory = FileManager.default.temporaryDirectory.path
    #expect {
      try GradientRows(count: 1 << 20, blocks: [0..<1 << 34], pagedIn: directory)
    } throws: { error in
      "\(error)".hasPrefix(
        "page-directory: \(directory): expected \(1 << 56) bytes free for the gradients, got ")
    }
  }
}
