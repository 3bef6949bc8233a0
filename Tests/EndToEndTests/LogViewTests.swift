import Foundation
import Support
import Testing

@Suite(.serialized) struct LogViewTests {
  /// Returns the rows of the table by name.
  private func rows(_ output: String) -> [String: [String]] {
    let lines = output.split(separator: "\n").drop { !$0.hasPrefix("phase ") }.dropFirst()
    return Dictionary(
      lines.map { $0.split(separator: " ").map(String.init) }.map { ($0[0], Array($0.dropFirst())) }
    ) { first, _ in first }
  }

  @Test("the log view reports the cost of each phase") func phaseCosts() throws {
    let directory = try TemporaryDirectory()
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--batch-size", "48", "--steps", "10", "--window",
      "4", "--window-type", "float32", "--progress", "none",
    ]
    for ranks in [nil, 2] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks, settings + ["--log-view", "--run-directory", run])
      try #require(outcome.status == 0, "\(outcome.errors)")
      let rows = rows(outcome.output)
      // Columns: calls, s max, s min, messages, MB sent, GB/s, MB read, GB/s.
      #expect(rows["gradient"]?.first == (ranks == nil ? "80" : "40"))
      #expect(rows["solve"]?.first == "10" && rows["evaluation"]?.first == "1")
      for (name, cells) in rows {
        try #require(cells.count == 8, "\(name): \(cells)")
        let (slowest, fastest) = (try #require(Double(cells[1])), try #require(Double(cells[2])))
        #expect(slowest >= fastest && fastest >= 0 && slowest <= outcome.seconds)
      }
      // d = 17,226 in cells of 80, of which the first of two ranks has 128. The products of
      // successive steps read 0, 1, 2, 3, 4, 4 … rows of the window.
      let read = try #require(Double(rows["gram_row"]?[6] ?? ""))
      let slice = 4e-6 * (ranks == nil ? 17_280 : 10_240)
      #expect(abs(read / (slice * (0 + 1 + 2 + 3 + 6 * 4)) - 1) < 1e-2)
      // The table shows three digits after the point. A reduce-scatter sends the other rank's part,
      // an all-gather the rank's own.
      if ranks == nil {
        #expect(rows["all"]?[3...5] == ["0", "-", "-"])
      } else {
        for phase in ["reduce_scatter", "all_gather"] {
          let sent = try #require(Double(rows[phase]?[4] ?? ""))
          #expect(abs(sent / (10 * slice) - 1) < 1e-2)
        }
        #expect(rows["reduce_scatter"]?[3] == "10")
        // The gradient's norm, for clipping, and the row of the Gram matrix.
        #expect(rows["sum"]?[3] == "20")
      }
    }
    let quiet = try Program.train(settings + ["--run-directory", directory.path("quiet")])
    #expect(quiet.status == 0 && quiet.output.isEmpty)
  }
}
