import Pruning
import Testing

struct MaskTests {
  @Test func removedWeightsBecomeZero() {
    var weights: [Float] = [1, -2, -0.0, .nan]
    let mask = Mask(slice: 7..<11, isKept: [true, false, true, false])
    weights.withUnsafeMutableBufferPointer { mask.apply(to: $0) }
    #expect(weights.map(\.bitPattern) == [1, 0, -0.0, 0].map(\Float.bitPattern))
  }

  @Test func aNewMaskKeepsAll() {
    #expect(Mask(slice: 3..<6).isKept == [true, true, true])
  }
}
