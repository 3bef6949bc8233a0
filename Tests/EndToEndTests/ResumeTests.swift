import Foundation
import RunRecords
import Support
import Testing

/// Tests which checkpoint `--resume` takes, and which it must not take.
@Suite(.serialized) struct ResumeTests {
  /// The way a path is written does not matter: the checkpoint is the run's own, or another's.
  @Test("a checkpoint's path may be written in any way") func resolvedPaths() throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      "input: [1, 8, 8]\nlayers: [flatten, linear: {in: 64, out: 10}]", to: "model.yaml")
    let run = directory.path("run")
    let settings = ["--dataset", "digits", "--window", "5", "--save-every-steps", "3"]
    func train(_ more: String...) throws -> Program.Outcome { try Program.train(settings + more) }
    #expect(try train("--model", model, "--steps", "3", "--run-directory", run).status == 0)
    let files = FileManager.default
    let (link, moved) = (directory.path("link"), directory.path("moved"))
    try files.moveItem(atPath: "\(run)/checkpoints", toPath: moved)
    try files.createSymbolicLink(atPath: "\(run)/checkpoints", withDestinationPath: moved)
    try files.createSymbolicLink(
      atPath: link, withDestinationPath: "\(run)/checkpoints/step-00000006")
    // The model file is the same, under another name.
    try files.copyItem(atPath: model, toPath: directory.path("copy.yaml"))
    for (steps, path) in [
      ("6", checkpoint(run, 3) + "/"), ("9", link), ("12", "\(moved)/./step-00000009"),
    ] {
      let outcome = try train(
        "--model", directory.path("copy.yaml"), "--steps", steps, "--run-directory", run,
        "--resume", path)
      #expect(outcome.status == 0, "\(path): \(outcome.errors)")
    }
    #expect(
      try MetricsLine.read(run).filter { $0.loss != nil }.map(\.step) == Array(1...12))
  }

  /// Removed weights stay removed after a resume, even if the file with the original zeros has
  /// changed.
  @Test("a resumed run keeps its checkpoint's masks") func checkpointMasks() throws {
    let directory = try TemporaryDirectory()
    let (run, model) = (directory.path("run"), directory.path("model.yaml"))
    _ = try directory.write(
      "input: [1, 8, 8]\nlayers: [flatten, linear: {in: 64, out: 10}]", to: "model.yaml")
    let weights = ["first", "second"].map { directory.path("\($0).safetensors") }
    for (path, zero) in zip(weights, [0, 1]) {
      // Every fourth weight is zero: a cell has the same number of columns with either file.
      let matrix = (0..<640).map { $0 % 4 == zero ? Float(0) : 0.01 }
      let header =
        #"{"1.weight":{"dtype":"F32","shape":[10,64],"data_offsets":[0,2560]},"#
        + #""1.bias":{"dtype":"F32","shape":[10],"data_offsets":[2560,2600]}}"#
      var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      bytes +=
        Data(header.utf8) + (matrix + Array(repeating: 0, count: 10)).withUnsafeBytes { Data($0) }
      try bytes.write(to: URL(filePath: path))
    }
    let settings = [
      "--dataset", "digits", "--model", model, "--window", "5", "--sparse", "--steps", "8",
      "--save-every-steps", "4",
    ]
    #expect(
      try Program.train(
        settings + ["--weights", weights[0], "--run-directory", run]
      ).status == 0)
    let expected = try trainedNetwork(of: run)
    try FileManager.default.removeItem(atPath: weights[0])
    try FileManager.default.moveItem(atPath: weights[1], toPath: weights[0])
    for ranks in [nil, 3] {
      let again = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        settings + [
          "--weights", weights[0], "--run-directory", again, "--resume", checkpoint(run, 4),
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try trainedNetwork(of: again) == expected)
    }
    let refused = try Program.train(
      settings.filter { $0 != "--sparse" } + [
        "--run-directory", directory.path("dense"), "--resume", checkpoint(run, 4),
      ])
    #expect(refused.status == 1 && refused.errors.contains("--sparse"), "\(refused.errors)")
  }

  /// After a cut of the log, only the cut lines are lost.
  @Test("a cut log continues in whole lines") func cutLog() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--window", "5", "--save-every-steps", "6",
      "--run-directory", run,
    ]
    #expect(try Program.train(settings + ["--steps", "6"]).status == 0)
    let lines = try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n")
    #expect(truncate("\(run)/metrics.jsonl", lines[0].utf8.count + 20) == 0)
    let outcome = try Program.train(ranks: 2, settings + ["--steps", "9", "--resume", "auto"])
    #expect(outcome.status == 0)
    #expect(outcome.errors.contains("metrics.jsonl: lines of earlier steps are missing"))
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    #expect(
      try MetricsLine.read(run).filter { $0.loss != nil }.map(\.step) == [1, 7, 8, 9])
  }
}
