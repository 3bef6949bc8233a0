import Formats
import Foundation
import Support
import Testing

/// Tests ranks whose working directories hold different files of the same name: no program mixes
/// them.
@Suite(.serialized) struct RankFilesTests {
  private let directory = try! TemporaryDirectory()

  /// Writes a tensor 'w' into each rank's directory.
  private func write(_ name: String, _ shape: [Int], _ values: [[Float]]) throws {
    for (rank, values) in values.enumerated() {
      let path = directory.path("\(rank)")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let rows = [values.count / shape.reduce(1, *)].filter { _ in name != "w.safetensors" }
      try values.withUnsafeBufferPointer { values in
        try SafetensorsFile.write([("w", rows + shape, values)], to: "\(path)/\(name)")
      }
    }
  }

  private func write(_ name: String, _ texts: [String]) throws {
    for (rank, text) in texts.enumerated() {
      try FileManager.default.createDirectory(
        atPath: directory.path("\(rank)"), withIntermediateDirectories: true)
      _ = try directory.write(text, to: "\(rank)/\(name)")
    }
  }

  /// Runs a program with each rank in the directory of its number.
  private func run(_ program: String, _ arguments: [String], ranks: Int = 2) throws
    -> Program.Outcome
  {
    let words = ([program] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let command = "cd \"\(directory.root)/$OMPI_COMM_WORLD_RANK\" && exec \(words)"
    return try Program.run(Program.process(ranks: ranks, program: "bash", ["-c", command]))
  }

  private func expectRefused(_ outcome: Program.Outcome, _ says: String) {
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    #expect(
      outcome.errors.contains("Error: \(says) must be the same on all ranks: "), "\(outcome.errors)"
    )
  }

  @Test("different gradients, vectors and masks are refused")
  func gradientsVectorsAndMasks() throws {
    let gradients = (0..<24).map { Float($0 * 7 % 5) }
    var other = gradients
    other[23] += 1
    let weights: [Float] = [1, 2, 3, 4, 5, 6]
    try write("w.safetensors", [2, 3], [weights, weights, weights])
    try write("same.safetensors", [2, 3], [gradients, gradients, gradients])
    try write("other.safetensors", [2, 3], [gradients, other, other])
    try write(
      "longer.safetensors", [2, 3], [gradients, gradients + weights, gradients])
    func files(_ gradients: String) -> [String] {
      ["--weights", "w.safetensors", "--gradients", gradients]
    }
    let outcome = try run(Program.fisher, ["diagonal"] + files("other.safetensors"), ranks: 3)
    expectRefused(outcome, "other.safetensors")
    #expect(outcome.errors.contains("on rank 0, ") && outcome.errors.contains("ranks 1-2 differ"))
    expectRefused(
      try run(
        Program.fisher,
        ["ihvp", "--vectors", "other.safetensors"] + files("same.safetensors")),
      "other.safetensors")
    let pruned = ["--method", "mfac", "--sparsity", "0.5", "--output", directory.path("out")]
    let sizes = try run(Program.prune, files("longer.safetensors") + pruned)
    expectRefused(sizes, "longer.safetensors")
    #expect(sizes.errors.contains("the size in bytes is "), "\(sizes.errors)")

    for (rank, mask) in [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1] as [UInt8]].enumerated() {
      try SafetensorsFile.write(
        [("w", .bool, [2, 3], mask)], to: directory.path("\(rank)/m.safetensors"))
    }
    expectRefused(
      try run(
        Program.prune, files("same.safetensors") + pruned + ["--masks", "m.safetensors"]),
      "m.safetensors")
    #expect(!FileManager.default.fileExists(atPath: directory.path("out")))
    // Identical copies are accepted.
    let same = try run(Program.prune, files("same.safetensors") + pruned)
    #expect(same.status == 0, "\(same.errors)")
  }

  @Test("different settings and models are refused") func settingsAndModels() throws {
    try write("settings.yaml", ["steps: 2", "steps: 2 # as many"])
    expectRefused(
      try run(
        Program.train,
        [
          "--dataset", "digits", "--model", "mlp", "--config", "settings.yaml", "--run-directory",
          directory.path("run"),
        ]), "settings.yaml")
    #expect(!FileManager.default.fileExists(atPath: directory.path("run")))
    try write(
      "model.yaml",
      ["tanh", "relu"].map { "input: [6]\nlayers: [{linear: {in: 6, out: 3}}, \($0)]" })
    expectRefused(
      try run(
        Program.bench, ["step", "--model", "model.yaml", "--window", "2", "--steps", "1"]),
      "model.yaml")
    // Rank 0 alone reads the file that it will write again.
    try write("curves.json", ["{\"curves\": []}", "{\"curves\": [1]}"])
    let sweep = try run(
      Program.bench,
      [
        "scaling", "--part", "optimizer", "--parameters", "3000", "--window", "4", "--steps", "1",
        "--json", "curves.json",
      ])
    #expect(sweep.status == 0, "\(sweep.errors)")
  }

  /// One rank verifies each file of a checkpoint; other ranks read it too.
  @Test("different checkpoints are refused") func checkpoints() throws {
    try write("empty", ["", ""])
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--window", "4", "--steps", "6",
      "--save-every-steps", "3",
    ]
    let first = try Program.train(settings + ["--run-directory", directory.path("0/run")])
    try #require(first.status == 0, "\(first.errors)")
    try FileManager.default.copyItem(
      atPath: directory.path("0/run"), toPath: directory.path("1/run"))
    let checkpoint = "run/checkpoints/step-00000003"
    let resume =
      settings + ["--resume", checkpoint, "--run-directory", directory.path("resumed")]
    // The first file, which rank 0 verifies.
    let path = directory.path("1/\(checkpoint)/curvature.safetensors")
    var bytes = try Data(contentsOf: URL(filePath: path))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(filePath: path))
    expectRefused(try run(Program.train, resume), "\(checkpoint)/curvature.safetensors")
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(filePath: path))
    let resumed = try run(Program.train, resume)
    #expect(resumed.status == 0, "\(resumed.errors)")
  }
}
