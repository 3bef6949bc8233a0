import Checkpoints
import Formats
import Foundation
import Mutations
import RunRecords
import Support
import Testing
import Training

/// Damages checkpoints: a damaged one is never loaded; the one before is.
@Suite(.serialized) struct DamageTests {
  static let settings = [
    "--dataset", "digits", "--batch-size", "48", "--steps", "24", "--window", "5", "--momentum",
    "0.9", "--save-every-steps", "8", "--keep-last", "2",
  ]
  static let steps = [16, 24]

  /// A finished run on 3 ranks, with the checkpoints of two steps.
  let directory: TemporaryDirectory
  let run: String

  init() throws {
    directory = try TemporaryDirectory()
    let model = try directory.write(TortureTests.Training.model, to: "model.yaml")
    run = directory.path("run")
    let outcome = try Program.train(
      ranks: 3, Self.settings + ["--model", model, "--run-directory", run])
    try #require(outcome.status == 0, "\(outcome.errors)")
  }

  private func names(_ checkpoint: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: checkpoint).sorted()
  }

  private func copy(_ name: String) throws -> String {
    let copy = directory.path(name)
    try FileManager.default.copyItem(atPath: run, toPath: copy)
    return copy
  }

  /// Returns the message about a checkpoint, or nil if it is whole.
  private func refusal(_ checkpoint: String) -> String? {
    do throws(InputError) {
      try Checkpoint(path: checkpoint).verify()
      return nil
    } catch {
      return error.description
    }
  }

  /// Damages bits, bytes and pieces, from the first byte of the first file to the last of the last.
  @Test("no damaged byte goes unnoticed") func damagedBytes() throws {
    let newest = checkpoint(run, 24)
    let files = try names(newest).map { "\(newest)/\($0)" }
    #expect(files.count == 9 && refusal(newest) == nil, "\(files)")
    let contents = try files.map { [UInt8](try Data(contentsOf: URL(filePath: $0))) }
    let size = contents.reduce(0) { $0 + $1.count }
    let count = 500
    for number in 0..<count {
      var draws = Draws(seed: 4, stream: number)
      // Half of them anywhere, half of them equally in each file.
      var (file, place) = (number / 2 % files.count, 0)
      if number % 2 == 0 {
        (file, place) = (0, size / count * number + draws.next(below: size / count))
        while place >= contents[file].count {
          place -= contents[file].count
          file += 1
        }
      } else {
        place = draws.next(below: contents[file].count)
      }
      var bytes = contents[file]
      let piece = place..<min(bytes.count, place + 1 + draws.next(below: 4096))
      switch draws.next(below: 6) {
      case 0, 1: bytes[place] ^= 1 << UInt8(draws.next(below: 8))
      case 2: bytes.removeSubrange(place...)
      case 3: bytes.removeSubrange(piece)
      case 4: bytes.insert(bytes[place], at: place)
      default: bytes.replaceSubrange(piece, with: piece.map { ~contents[file][$0] })
      }
      #expect(bytes != contents[file])
      try Data(bytes).write(to: URL(filePath: files[file]))
      let refusal = refusal(newest)
      #expect(refusal?.hasPrefix(files[file]) == true, "case \(number): \(refusal ?? "accepted")")
      try Data(contents[file]).write(to: URL(filePath: files[file]))
    }
    #expect(refusal(newest) == nil)
  }

  /// Damages a checkpoint's file, given the same file of the checkpoint before.
  typealias Act = @Sendable (_ file: String, _ other: String) throws -> Void

  static let damages: [(name: String, act: Act)] =
    [
      ("removed", { file, _ in try FileManager.default.removeItem(atPath: file) }),
      ("emptied", { file, _ in truncate(file, 0) }),
      ("cut", { file, _ in truncate(file, 200) }),
      ("a tebibyte long", { file, _ in truncate(file, 1 << 40) }),
      (
        "a directory",
        { file, _ in
          try FileManager.default.removeItem(atPath: file)
          try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: true)
        }
      ),
      (
        "of the checkpoint before",
        { file, other in
          try FileManager.default.removeItem(atPath: file)
          try FileManager.default.copyItem(atPath: other, toPath: file)
        }
      ),
      (
        // Swaps the file with that of the checkpoint before, which is then damaged too.
        "swapped",
        { file, other in
          try FileManager.default.moveItem(atPath: file, toPath: file + ".other")
          try FileManager.default.moveItem(atPath: other, toPath: file)
          try FileManager.default.moveItem(atPath: file + ".other", toPath: other)
        }
      ),
      (
        "a pipe",
        { file, _ in
          try FileManager.default.removeItem(atPath: file)
          mkfifo(file, 0o600)
        }
      ),
      (
        "a link to nowhere",
        { file, _ in
          try FileManager.default.removeItem(atPath: file)
          try FileManager.default.createSymbolicLink(
            atPath: file, withDestinationPath: "/nowhere")
        }
      ),
    ]

  @Test("no missing or foreign file goes unnoticed") func missingFiles() throws {
    for (index, damage) in Self.damages.enumerated() {
      for name in try names(checkpoint(run, 24)) {
        let copy = try copy("damage-\(index)-\(name)")
        let file = "\(checkpoint(copy, 24))/\(name)"
        try damage.act(file, "\(checkpoint(copy, 16))/\(name)")
        let refusal = refusal(checkpoint(copy, 24))
        #expect(refusal != nil, "\(name) \(damage.name)")
        try FileManager.default.removeItem(atPath: copy)
      }
    }
    // A new file does not belong to the checkpoint.
    let copy = try copy("more")
    try Data("more".utf8).write(to: URL(filePath: "\(checkpoint(copy, 24))/more.safetensors"))
    #expect(refusal(checkpoint(copy, 24)) == nil)
  }

  /// Resumes damaged runs.
  @Test("a run with a damaged checkpoint resumes from the one before", arguments: [1, 3])
  func earlierCheckpoint(ranks: Int) throws {
    let names = try names(checkpoint(run, 24))
    for (index, damage) in Self.damages.enumerated() where damage.name != "swapped" {
      let copy = try copy("ranks-\(ranks)-\(index)")
      let name = names[(3 * index + ranks) % names.count]
      try damage.act("\(checkpoint(copy, 24))/\(name)", "\(checkpoint(copy, 16))/\(name)")
      #expect(try Program.train(["inspect", checkpoint(copy, 24)]).status == 1)
      let outcome = try goOn(in: copy, ranks)
      let story = "\(name) \(damage.name): \(outcome.output)\(outcome.errors)"
      #expect(outcome.status == 0, "\(story)")
      #expect((outcome.output + outcome.errors).contains("checkpoint of step 24"), "\(story)")
      #expect((outcome.output + outcome.errors).contains("at step 16 from"), "\(story)")
      try expectSame(copy, story)
      #expect(refusal(checkpoint(copy, 24)) == nil, "\(story)")
      #expect(try Program.train(["inspect", checkpoint(copy, 24)]).status == 0)
    }
  }

  /// The run is refused if both checkpoints are damaged, and no file changes.
  @Test("a run without a whole checkpoint is refused", arguments: [1, 3])
  func noWholeCheckpoint(ranks: Int) throws {
    let copy = try copy("none-\(ranks)")
    for step in Self.steps { truncate("\(checkpoint(copy, step))/model.safetensors", 1000) }
    try expectRefused(copy, ranks, "none of its checkpoints is whole")
  }

  /// An unreachable directory may hold checkpoints: the run must not start from the beginning.
  @Test("a run with unreachable checkpoints is refused", arguments: ["/nowhere", "checkpoints"])
  func unreachableCheckpoints(target: String) throws {
    let copy = try copy("unreachable")
    try FileManager.default.removeItem(atPath: "\(copy)/checkpoints")
    try FileManager.default.createSymbolicLink(
      atPath: "\(copy)/checkpoints", withDestinationPath: target)
    try expectRefused(copy, 3, "checkpoints: cannot be read: ")
  }

  private func expectRefused(_ copy: String, _ ranks: Int, _ reason: String) throws {
    let files = ["model.safetensors", "metrics.jsonl"].map { URL(filePath: "\(copy)/\($0)") }
    let contents = try files.map { try Data(contentsOf: $0) }
    let outcome = try goOn(in: copy, ranks)
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    #expect(try files.map { try Data(contentsOf: $0) } == contents)
  }

  /// A run killed after its last save has one checkpoint too many. A run killed during a save
  /// leaves a part of a checkpoint or of another file.
  @Test("a resumed run removes leftovers") func leftovers() throws {
    let copy = try copy("older")
    let half = "\(copy)/.swift-mfac-1-0.tmp"
    try Data("half".utf8).write(to: URL(filePath: half))
    try FileManager.default.copyItem(
      atPath: checkpoint(copy, 16), toPath: "\(copy)/checkpoints/.step-00000024.tmp.old")
    try FileManager.default.copyItem(
      atPath: checkpoint(copy, 16), toPath: checkpoint(copy, 8))
    let outcome = try goOn(in: copy, 2)
    #expect(outcome.status == 0 && outcome.output.contains("at step 24 from"), "\(outcome.errors)")
    #expect(
      try Set(names("\(copy)/checkpoints")) == Set(Self.steps.map { "step-000000\($0)" }))
    #expect(!FileManager.default.fileExists(atPath: half))
    try expectSame(copy, outcome.output)
  }

  private func goOn(in run: String, _ ranks: Int) throws -> Program.Outcome {
    try Program.train(
      ranks: ranks,
      Self.settings + [
        "--model", directory.path("model.yaml"), "--run-directory", run, "--resume", "auto",
      ])
  }

  private func expectSame(_ copy: String, _ story: String) throws {
    let models = try [run, copy].map {
      try trainedNetwork(of: $0)
    }
    #expect(models[0] == models[1], "another network: \(story)")
    let losses = try [run, copy].map {
      try MetricsLine.read($0).map { [Double($0.step), $0.loss, $0.testLoss] }
    }
    #expect(losses[0] == losses[1], "other metrics: \(story)")
  }
}
