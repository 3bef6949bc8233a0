import Curvature
import Testing

struct GradientRowsTests {
  @Test func rowsLieBlockByBlock() {
    let rows = GradientRows(count: 2, blocks: [0..<3, 3..<4])
    for row in 0..<2 {
      let x = (0..<4).map { Float(10 * row + $0) }
      x.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    #expect(Array(rows.block(0)) == [0, 1, 2, 10, 11, 12])
    #expect(Array(rows.block(1)) == [3, 13])
  }
}
