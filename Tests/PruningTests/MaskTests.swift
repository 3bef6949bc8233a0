import Pruning
import Testing

struct MaskTests {
  @Test("removed weights become zero") func removedWeights() {
    var weights: [Float] = [1, -2, -0.0, .nan]
    let mask = Mask(slice: 7..<11, isKept: [true, false, true, false])
    weights.withUnsafeMutableBufferPointer { mask.apply(to: $0) }
    #expect(weights.map(\.bitPattern) == [1, 0, -0.0, 0].map(\Float.bitPattern))
  }

  @Test("a new mask keeps all weights") func newMask() {
    #expect(Mask(slice: 3..<6).isKept == [true, true, true])
  }
}
