import Foundation
import Support
import Testing

@Suite struct HangTests {
  @Test("a hanging job is killed with its ranks") func hangingJob() throws {
    // No other process has this number among its arguments.
    let seconds = "1000000.\(getpid())"
    let process = Program.process(ranks: 2, program: "sleep", [seconds])
    let hang = #expect(throws: Program.Hang.self) { try Program.run(process, limit: 3) }
    let command = "\(Program.package)/Launch/local.sh -n 2 sleep \(seconds)"
    #expect(hang?.description == "not ended after 3.0 s, and killed: \(command)")
    // A killed process may end a moment later.
    for _ in 0..<50 where Program.isRunning(with: seconds) { usleep(100_000) }
    #expect(!Program.isRunning(with: seconds))
  }
}
