import Foundation
import Support
import Testing

/// Builds and runs another package that depends on this one, as its users do.
@Suite(.serialized) struct ConsumerTests {
  /// Builds the package and returns the program. The first build takes half a minute, later ones a
  /// second or two: its products are kept.
  private func build() throws -> String {
    let scratch = "\(Program.package)/.build/consumer"
    let build = Program.process(
      ranks: nil, program: "/usr/bin/env",
      [
        "swift", "build", "--package-path", "\(Program.package)/Tests/Consumer", "--scratch-path",
        scratch, "--disable-index-store", "-debug-info-format", "none",
      ])
    let outcome = try Program.run(build, limit: 600)
    try #require(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    return "\(scratch)/debug/consumer"
  }

  /// Runs the program without a launcher and on 1 and 3 ranks. Returns the line that it prints; the
  /// line and the written file must be the same each time.
  private func result(of arguments: [String], writing file: String) throws -> String {
    let program = try build()
    let directory = try TemporaryDirectory()
    var outputs: Set<String> = []
    var files: Set<Data> = []
    for ranks in [nil, 1, 3] {
      let place = directory.path("ranks-\(ranks ?? 0)")
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      let outcome = try Program.run(
        Program.process(
          ranks: ranks, program: program, arguments.map { $0.replacing("OUT", with: place) }))
      try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
      outputs.insert(outcome.output)
      files.insert(try Data(contentsOf: URL(filePath: "\(place)/\(file)")))
    }
    #expect(outputs.count == 1 && files.count == 1)
    return try #require(outputs.first)
  }

  @Test("a consumer minimises its own loss function") func ownLoss() throws {
    let text = try result(of: ["loss", "OUT/weights.npy"], writing: "weights.npy")
    let found = try #require(try /loss (\S+), at most (\S+) above the minimum/.firstMatch(in: text))
    let (loss, excess) = try (#require(Double(found.1)), #require(Double(found.2)))
    // The loss at w = 0 is log 2; the bound covers the steps' noise, which falls with the learning
    // rate.
    #expect(loss < 0.5 && excess >= 0 && excess < 1e-4, "\(text)")
  }

  @Test("a consumer trains a network of the library") func libraryNetwork() throws {
    let text = try result(of: ["network", "OUT/run"], writing: "run/model.safetensors")
    let found = try #require(try /loss \S+, accuracy (\S+)/.firstMatch(in: text))
    #expect(try #require(Double(found.1)) > 0.85, "\(text)")
  }
}
