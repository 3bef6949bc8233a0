import Foundation
import RunRecords
import Testing

@Suite struct EfficiencyTests {
  private func problem(_ scaling: String) throws -> Problem {
    try JSONDecoder().decode(
      Problem.self,
      from: Data(
        #"{"part":"optimizer","scaling":"\#(scaling)","parameters":1000,"optimizer":"sgd"}"#.utf8))
  }

  private func result(ranks: Int, seconds: Double) throws -> StepResult {
    try JSONDecoder().decode(
      StepResult.self,
      from: Data(
        #"{"ranks":\#(ranks),"seconds":\#(seconds),"phases":[],"messages":0,"bytes":0}"#.utf8))
  }

  @Test("efficiency is the share of the ideal speed") func idealShare() throws {
    let strong = try problem("strong")
    #expect(strong.efficiency(seconds: 1, ranks: 4, baseSeconds: 3, baseRanks: 1) == 0.75)
    #expect(strong.efficiency(seconds: 1, ranks: 8, baseSeconds: 2, baseRanks: 4) == 1)
    let weak = try problem("weak")
    #expect(weak.efficiency(seconds: 4, ranks: 16, baseSeconds: 3, baseRanks: 1) == 0.75)
  }

  /// Points come in any order; the last one for a number of ranks counts.
  @Test("points are merged into curves") func mergedPoints() throws {
    var curves = ScalingCurves()
    let strong = try problem("strong")
    let first = curves.add(try result(ranks: 4, seconds: 2), to: strong)
    #expect(first.efficiency == 1)
    _ = curves.add(try result(ranks: 1, seconds: 3), to: strong)
    let again = curves.add(try result(ranks: 4, seconds: 1), to: strong)
    #expect(again.efficiency == 0.75)
    _ = curves.add(try result(ranks: 1, seconds: 5), to: try problem("weak"))
    #expect(curves.curves.count == 2)
    #expect(curves[strong]!.measured.map(\.ranks) == [1, 4])
    #expect(curves[strong]!.measured.map(\.efficiency) == [1, 0.75])

    let written = try JSONDecoder().decode(
      ScalingCurves.self, from: try JSONEncoder().encode(curves))
    #expect(written == curves)
  }
}
