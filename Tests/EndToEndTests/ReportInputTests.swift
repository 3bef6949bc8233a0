import Foundation
import RunRecords
import Support
import Testing

/// Tests inputs of a report other than whole runs, and refused inputs.
@Suite struct ReportInputTests {
  @Test("scaling curves have the numbers of the file") func scalingCurves() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("scaling.json")
    let problem = ["--part", "optimizer", "--parameters", "3000", "--window", "16", "--steps", "3"]
    for (ranks, command) in [
      (1, ["predict", "--ranks", "1,2,4", "--latency", "1e-6", "--bandwidth", "1e9"]),
      (1, ["scaling"]), (2, ["scaling"]),
    ] {
      let outcome = try Program.run(
        Program.process(
          ranks: ranks, program: Program.bench, command + problem + ["--json", file]))
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    let report = try Report(on: [file], in: directory)
    let table = try report.table("scaling scaling.json")
    let curve = try Program.record(ScalingCurves.self, in: file).curves[0]
    let results = curve.measured + curve.predicted
    #expect(results.count == 5)
    #expect(try table.values("ranks") == results.map { Double($0.ranks) })
    #expect(try table.values("step") == results.map(\.seconds))
    #expect(try table.values("efficiency") == results.map(\.efficiency))
    #expect(
      try table.values("speed-up") == results.map { r in r.efficiency.map { $0 * Double(r.ranks) } }
    )
    #expect(try table.values("bytes") == results.map { Double($0.bytes) })
    #expect(
      try table.column("how").map(\.text) == ["measured", "measured"] + [
        "predicted", "predicted", "predicted",
      ])
  }

  @Test("other benchmarks are reported") func otherBenchmarks() throws {
    let directory = try TemporaryDirectory()
    func bench(_ arguments: [String], _ name: String) throws -> String {
      let file = directory.path(name)
      let outcome = try Program.run(
        Program.process(ranks: nil, program: Program.bench, arguments + ["--json", file]))
      try #require(outcome.status == 0, "\(outcome.errors)")
      return file
    }
    let step = try bench(
      ["step", "--model", "mlp", "--window", "8", "--steps", "2", "--batch-size", "8"], "step.json")
    let window = try bench(
      ["window", "--parameters", "5000", "--windows", "8", "16", "--steps", "2"], "window.json")
    // The directory includes both files.
    let report = try Report(on: [directory.root], in: try TemporaryDirectory())
    let result = try Program.record(StepReport.self, in: step).result
    let steps = try report.table("step step.json")
    #expect(try steps.column("phase").map(\.text) == result.phases.map(\.phase) + ["step"])
    #expect(
      try steps.values("slowest rank") == result.phases.map(\.seconds) + [result.seconds])
    let windows = try Program.record([WindowReport].self, in: window)
    let table = try report.table("window window.json")
    #expect(try table.values("Gram row") == windows.map { $0.seconds["gram_row"] })
    #expect(try table.values("factor") == windows.map { $0.seconds["factor"] })
  }

  @Test("pruning curves have the numbers of the reports") func pruningCurves() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let trained = try Program.train([
      "--dataset", "digits", "--batch-size", "32", "--steps", "30", "--progress", "none",
      "--learning-rate", "0.01", "--damping", "0.01", "--run-directory", run,
    ])
    try #require(trained.status == 0, "\(trained.errors)")
    let outputs = ["magnitude", "diagonal"].map { directory.path($0) }
    for output in outputs {
      let outcome = try Program.run(
        Program.process(
          ranks: nil, program: Program.prune,
          [
            "--weights", "\(run)/model.safetensors", "--dataset", "digits", "--method",
            URL(filePath: output).lastPathComponent, "--sweep", "0.5,0.9", "--output", output,
          ]))
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    // A directory and a file.
    let page = try Report(on: [outputs[0], "\(outputs[1])/report.json"], in: directory)
    let table = try page.table("pruning accuracy")
    let reports = try outputs.map(PruningReport.read)
    let qualities = try reports.flatMap { report in
      try [#require(report.dense)] + report.results.map { try #require($0.quality) }
    }
    #expect(try table.values("accuracy") == qualities.map(\.accuracy))
    #expect(try table.values("test loss") == qualities.map(\.loss.finite))
    #expect(try table.values("sparsity") == reports.flatMap { [0] + $0.results.map(\.sparsity) })
    let drawing = try #require(try page.drawings("cnn, digits").first)
    // One marker for each result.
    #expect(drawing.filter { $0.name == "circle" }.count == 4)
    for text in ["accuracy", "sparsity", "0.5", "0.9"] {
      #expect(drawing.contains { $0.name == "text" && $0.text == text }, "\(text)")
    }
  }

  /// A run of many steps gives a small page; the extremes stay.
  @Test("long runs are thinned and keep their extremes") func longRuns() throws {
    let directory = try TemporaryDirectory()
    var steps = (0..<30_000).map { WrittenRun.Step(loss: 2 + 0.1 * sin(Double($0))) }
    steps[17_171].loss = 9.5
    steps[17_200].loss = 0.125
    steps[20_000].loss = nil
    let run = try WrittenRun.write("long", in: directory, steps: steps)
    let report = try Report(on: [run], in: directory)
    #expect(report.text.utf8.count < 400_000)
    let points = try report.points("Training loss")
    let raw = try #require(points.lines.first { $0.kind == "values" })
    #expect(raw.value.count <= 4 * 200 + 10)
    let values = raw.value.compactMap { $0 }
    #expect(values.max() == 9.5 && values.min() == 0.125)
    #expect(raw.step[raw.value.firstIndex(of: 9.5)!] == 17_172)
    // The gap stays too.
    #expect(raw.value[raw.step.firstIndex(of: 20_001)!] == nil)
    let means = try #require(points.lines.first { $0.kind == "means of 601" })
    // One number among 601 with an average of 2.
    #expect(abs(means.value.compactMap { $0 }.max()! - (2 + 7.5 / 601)) < 0.002)
    #expect(try report.table("runs").values("steps") == [30_000])
  }

  /// A run in progress has no evaluation yet, and half a line at the end.
  @Test("unfinished runs are reported") func unfinishedRuns() throws {
    let directory = try TemporaryDirectory()
    let run = try WrittenRun.write(
      "run", in: directory, settings: "optimizer: sgd\nsteps: 100\n",
      steps: [.init(loss: 1), .init(loss: nil), .init(loss: 0.5)])
    let metrics = "\(run)/metrics.jsonl"
    try (String(contentsOfFile: metrics, encoding: .utf8) + "{\"step\":4,\"epo")
      .write(toFile: metrics, atomically: true, encoding: .utf8)
    let report = try Report(on: [run], in: directory)
    #expect(try report.table("runs").values("steps") == [3])
    #expect(try report.points("Training loss").lines[0].value == [1, nil, 0.5])
    #expect(report.text.contains("no evaluation yet") && report.text.contains("3 of 100 steps"))
    // A run that has only begun.
    let new = try WrittenRun.write("new", in: directory, steps: [])
    #expect(try Report(on: [new], in: directory).table("runs").values("steps") == [nil])
  }

  /// Numbers beyond the range of a plot do not stop the report, and appear in its tables.
  @Test("extreme numbers are reported") func extremeNumbers() throws {
    let directory = try TemporaryDirectory()
    let extremes = [
      1e308, -1e308, .leastNonzeroMagnitude, 0, -.leastNonzeroMagnitude, 1e-300, 1, 2,
    ]
    let run = try WrittenRun.write(
      "run", in: directory,
      steps: extremes.map {
        .init(loss: $0, seconds: abs($0), more: "\"angle\":\($0),\"gram_smallest\":\($0),")
      },
      evaluations: extremes.enumerated().map { index, value in
        (
          index + 1,
          "\"test_loss\":\(value),\"test_accuracy\":\(value),\"training_seconds\":\(value),"
            + "\"seconds_since_start\":\(value)"
        )
      })
    let last =
      "{\"step\":\(Int.max),\"loss\":1,\"seconds\":{}}\n"
      + "{\"step\":\(Int.min),\"loss\":1,\"seconds\":{}}\n"
    let metrics = "\(run)/metrics.jsonl"
    try (String(contentsOfFile: metrics, encoding: .utf8) + last)
      .write(toFile: metrics, atomically: true, encoding: .utf8)
    let results = extremes.enumerated().map { index, value in
      "{\"ranks\":\([0, -1, Int.max, 1, 2, 3, 4, 5][index]),\"seconds\":\(value),"
        + "\"efficiency\":\(value),\"messages\":1,\"bytes\":\(Int.min),\"phases\":[]}"
    }.joined(separator: ",")
    let file = try directory.write(
      "{\"curves\":[{\"problem\":{\"part\":\"optimizer\",\"scaling\":\"weak\","
        + "\"parameters\":1,\"optimizer\":\"sgd\"},\"measured\":[\(results)],"
        + "\"predicted\":[]}]}",
      to: "curves.json")
    let report = try Report(on: [run, file], in: directory)
    #expect(try report.points("Training loss").lines[0].value == extremes + [1, 1])
    #expect(try report.table("scaling curves.json").values("step") == extremes)
    #expect(try report.table("runs").values("lowest") == [-1e308])
  }

  /// Paths with the same last component get longer names, and the same run given twice counts once.
  @Test("runs of the same name are distinguished") func sameNames() throws {
    let directory = try TemporaryDirectory()
    for name in ["a", "b"] {
      try FileManager.default.createDirectory(
        atPath: directory.path(name), withIntermediateDirectories: true)
    }
    let runs = try ["a/run", "b/run"].map {
      try WrittenRun.write($0, in: directory, steps: [.init(loss: 1)])
    }
    let report = try Report(on: runs + ["\(runs[0])/../run/"], in: directory)
    #expect(try report.table("runs").column("run").map(\.text) == ["a/run", "b/run"])
  }

  @Test("text from files is escaped") func escapedText() throws {
    let directory = try TemporaryDirectory()
    let evil = "<script>alert(1)</script>&\\\"'"
    let run = try WrittenRun.write(
      "a<b>&\"c", in: directory, settings: "optimizer: '\(evil.replacing("'", with: "''"))'\n",
      steps: [.init(loss: 1), .init(loss: 0.5)])
    let report = try Report(on: [run], ["--title", "</title>\(evil)"], in: directory)
    #expect(!report.text.contains("<script>") && !report.text.contains("a<b>"))
    #expect(report.text.contains("<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;"))
    // The JSON has the unescaped name.
    #expect(try report.points("Training loss").lines[0].run == "a<b>&\"c")
    // The page loads nothing from elsewhere.
    #expect(
      !report.text.contains("http") && !report.text.contains("src=")
        && !report.text.contains("url("))
  }

  @Test("files that are not results are refused") func refusedInputs() throws {
    let directory = try TemporaryDirectory()
    let run = try WrittenRun.write(
      "run", in: directory,
      steps: [.init(loss: 1), .init(loss: 1, more: "\"angle\":\"x\","), .init()])
    let whole = try WrittenRun.write("whole", in: directory, steps: [.init(loss: 1)])
    let bare = try WrittenRun.write("bare", in: directory, steps: [.init(loss: 1)])
    try FileManager.default.removeItem(atPath: "\(bare)/config.yaml")
    try FileManager.default.createDirectory(
      atPath: directory.path("empty"), withIntermediateDirectories: true)
    let page = directory.path("page.html")
    func refused(_ input: String, _ more: [String] = [], _ parts: String...) throws {
      let outcome = try Report.run([input, "--output", page] + more)
      #expect(outcome.status != 0 && outcome.output.isEmpty)
      for part in parts { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
      #expect(outcome.errors.split(separator: "\n").filter { $0.contains("rror") }.count == 1)
      #expect(!FileManager.default.fileExists(atPath: page))
    }
    try refused(run, [], "run/metrics.jsonl", "line 2", "expected", "'angle'")
    try refused(bare, [], "bare/config.yaml", "cannot open")
    try refused(directory.path("empty"), [], "holds no results", "an empty directory")
    try refused(directory.path("nothing"), [], "nothing: there is no such file")
    try refused(
      try directory.write("{\"a\": 1}", to: "other.json"), [], "other.json: holds no results")
    try refused(
      try directory.write("{\"curves\": [{}]}", to: "curves.json"), [], "no 'curves.1.problem'")
    try refused(try directory.write("{\"curves", to: "half.json"), [], "half.json: is not JSON")
    try refused(
      try directory.write("{\"method\":1,\"results\":[],\"prunable\":1}", to: "report.json"), [],
      "report.json: is not a pruning report")
    try refused(whole, ["--target", "1.5"], "--target")
    try refused(whole, ["--target-loss", "inf"], "--target-loss: expected a number, got inf")

    for (out, part) in [
      (directory.root, "the directory"), (directory.path("none/page.html"), "No such file"),
      ("/dev/null", "a device"),
    ] {
      let outcome = try Report.run([whole, "--output", out])
      #expect(outcome.status != 0 && outcome.errors.contains("--output: expected a file"))
      #expect(outcome.errors.contains(part), "\(outcome.errors)")
    }
    // An existing page is replaced.
    try "old".write(toFile: page, atomically: true, encoding: .utf8)
    #expect(try Report.run([whole, "--output", page]).status == 0)
    #expect(try String(contentsOfFile: page, encoding: .utf8).hasPrefix("<!DOCTYPE html>"))
  }
}
