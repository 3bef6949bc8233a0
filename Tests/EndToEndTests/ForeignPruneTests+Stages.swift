import Foundation
import Support
import Testing

extension ForeignPruneTests {
  private func stages(_ count: Int, in state: String) -> [String] {
    ["--stages", "\(count)", "--state", directory.path(state)]
  }

  private func stage(_ stage: Int, of state: String) -> String {
    "\(directory.path(state))/stage-\(stage)"
  }

  /// Returns the content of each file in a directory, by name.
  private func contents(_ name: String) throws -> [String: Data] {
    let root = directory.path(name)
    var contents: [String: Data] = [:]
    for file in try FileManager.default.subpathsOfDirectory(atPath: root) {
      contents[file] = FileManager.default.contents(atPath: "\(root)/\(file)")
    }
    return contents
  }

  /// Compares stages with one run of the network: stages whose gradients come in files, each in a
  /// call with another number of ranks, and stages kept in a directory.
  @Test("stages with gradients from files equal one run") func stagesByFiles() throws {
    let weights = try trained().weights
    let expected = try prune(try local(["--stages", "3"]), to: "staged")
    #expect(try prune(local(stages(3, in: "own-state")), to: "staged-kept") == expected)
    let kept = try prune(ranks: 2, local(stages(3, in: "own-state")), to: "staged-again")
    #expect(kept == expected)

    var current = weights
    var call: [String] = []
    for (index, ranks) in [3, nil, 8].enumerated() {
      let file = try gradients(
        of: current, rows: index * 40..<(index + 1) * 40, to: "g\(index).safetensors")
      call =
        ["--weights", weights, "--gradients", file, "--output", directory.path("by-files")]
        + Self.method + stages(3, in: "state") + (index > 0 ? ["--sparse-output"] : [])
      let outcome = try run(ranks: ranks, call)
      try #require(outcome.status == 0, "\(outcome.errors)")
      current = stage(index + 1, of: "state") + "/model.safetensors"
      #expect(outcome.output.contains("stage \(index + 1) of 3 is done"))
      #expect(outcome.output.contains("Compute the gradients of \(current)") == (index < 2))
      #expect(
        FileManager.default.fileExists(atPath: directory.path("by-files")) == (index == 2))
    }
    #expect(try files("by-files") == expected)

    // Imitates a kill before the last file: the same call writes the missing file; afterwards it is
    // refused.
    let output = try contents("by-files")
    try FileManager.default.removeItem(atPath: "\(directory.path("by-files"))/report.json")
    #expect(try run(ranks: 2, call).status == 0)
    #expect(try files("by-files") == expected && contents("by-files").count == output.count)
    let again = try run(call)
    #expect(again.status != 0 && again.errors.contains("already exists"), "\(again.errors)")
  }

  /// Makes calls that do not continue the kept stages.
  @Test("stages of another pruning are refused") func foreignStages() throws {
    let weights = try trained().weights
    let (first, second) = (
      try gradients(of: weights, to: "first.safetensors"),
      try gradients(of: weights, rows: 40..<80, to: "second.safetensors")
    )
    func call(
      ranks: Int? = nil, _ arguments: [String], weights: String? = nil
    ) throws -> Program.Outcome {
      try run(
        ranks: ranks,
        ["--weights", weights ?? (try trained().weights), "--output", directory.path("none")]
          + Self.method + stages(3, in: "state") + arguments)
    }
    try #require(call(["--gradients", first]).status == 0)
    let before = try contents("state")

    var spoiled = try bytes(weights)
    spoiled[spoiled.count - 2] ^= 1
    let other = directory.path("other.safetensors")
    try spoiled.write(to: URL(filePath: other))
    let masks = stage(1, of: "state") + "/masks.safetensors"
    func refuse(_ outcome: Program.Outcome, _ says: String...) throws {
      #expect(outcome.status != 0)
      #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
      for part in says { #expect(outcome.errors.contains(part), "'\(part)' in \(outcome.errors)") }
      #expect(!FileManager.default.fileExists(atPath: directory.path("none")))
    }
    let new = ["--gradients", second]
    try refuse(
      try call(ranks: 3, ["--gradients", first]), first, "stage 1 already used these gradients",
      stage(1, of: "state") + "/model.safetensors")
    try refuse(try call(new + ["--damping", "1e-2"]), "--damping 0.001", "got 0.01")
    try refuse(try call(new + ["--exclude", "5.*"]), "--exclude", "5.*")
    try refuse(try call(new + ["--stages", "4"]), "--stages 3", "got 4")
    try refuse(try call(new, weights: other), "other --weights", other)
    try refuse(try call(new + ["--masks", masks]), "other --masks", "expected none")
    try refuse(try call(new + ["--state", ""]), "--state", "empty")
    try refuse(try call(new + ["--state", "\(weights)/state"]), "--state", "cannot be created")
    try refuse(
      try run(
        ["--weights", weights, "--method", "mfac", "--sweep", "0.5,0.6", "--output", "none"] + new
          + stages(2, in: "sweep")), "--state", "--sparsity")

    let lock = open(directory.path("state"), O_RDONLY)
    try #require(flock(lock, LOCK_EX | LOCK_NB) == 0)
    try refuse(try call(new), "another process uses this directory")
    close(lock)

    for name in ["model.safetensors", "masks.safetensors", "state.json"] {
      let path = stage(1, of: "state") + "/\(name)"
      let whole = try bytes(path)
      var flipped = whole
      flipped[whole.count / 2] ^= 4
      for damaged in [flipped, whole.dropLast(9), Data(), nil] {
        if let damaged {
          try damaged.write(to: URL(filePath: path))
        } else {
          try FileManager.default.removeItem(atPath: path)
        }
        try refuse(try call(new), path, "remove \(stage(1, of: "state"))")
      }
      try whole.write(to: URL(filePath: path))
    }
    #expect(try contents("state") == before)
    // The unchanged call is accepted.
    #expect(try call(new).status == 0)
    #expect(FileManager.default.fileExists(atPath: stage(2, of: "state")))
  }

  /// A run that is killed whenever a stage is being saved, or has been saved, continues to the same
  /// bytes.
  @Test("killed stages resume to the same bytes") func killedStages() throws {
    let arguments = try local(["--stages", "12"])
    let expected = try prune(arguments, to: "whole")
    let output = directory.path("killed")
    let all = arguments + ["--state", directory.path("state"), "--output", output]
    var kills = 0
    for name in [".stage-1.tmp", "stage-3", ".stage-4.tmp", "stage-7", ".stage-9.tmp", "stage-12"] {
      let process = Program.process(ranks: nil, program: Program.prune, all)
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      while process.isRunning,
        !FileManager.default.fileExists(atPath: "\(directory.path("state"))/\(name)")
      {
        usleep(200)
      }
      if process.isRunning {
        kill(process.processIdentifier, SIGKILL)
        kills += 1
      }
      process.waitUntilExit()
    }
    #expect(kills >= 4)
    if !FileManager.default.fileExists(atPath: "\(output)/report.json") {
      let outcome = try run(ranks: 3, all)
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    #expect(try files("killed") == expected)
  }
}
