import Foundation
import RunRecords
import Support
import Testing

@Suite struct ReportTests {
  private static let digits = [
    "--dataset", "digits", "--batch-size", "32", "--steps", "60", "--evaluate-every", "20",
    "--learning-rate", "0.01", "--progress", "none",
  ]

  /// Every number in the tables and plots is that of the file.
  @Test("every number of a report is that of the run") func reportedNumbers() throws {
    let directory = try TemporaryDirectory()
    let runs = ["mfac", "sgd"].map { directory.path($0) }
    for run in runs {
      let optimizer = URL(filePath: run).lastPathComponent
      let outcome = try Program.train(
        Self.digits + ["--run-directory", run, "--optimizer", optimizer]
          + (optimizer == "mfac" ? ["--damping", "0.01"] : []))
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    let report = try Report(on: runs, in: directory)
    let lines = try runs.map(MetricsLine.read)
    let evaluations = lines.map { $0.filter { $0.testLoss != nil } }
    let steps = lines.map { $0.filter { $0.seconds != nil } }

    let table = try report.table("runs")
    #expect(try table.column("run").map(\.text) == ["mfac", "sgd"])
    #expect(try table.values("parameters") == [13706, 13706])
    #expect(try table.values("ranks") == [1, 1])
    #expect(try table.values("steps") == [60, 60])
    #expect(try table.values("last training loss") == steps.map { $0.last!.loss })
    #expect(try table.values("test loss") == evaluations.map { $0.last!.testLoss })
    #expect(try table.values("test accuracy") == evaluations.map { $0.last!.testAccuracy })
    #expect(
      try table.values("best") == evaluations.map { $0.compactMap(\.testAccuracy).max() })
    #expect(try table.values("training s") == evaluations.map { $0.last!.trainingSeconds })
    #expect(try table.values("wall s") == evaluations.map { $0.last!.secondsSinceStart })

    let phases = try report.table("phases")
    for (index, run) in steps.enumerated() {
      for phase in ["data", "gradient", "update"] {
        let mean = run.reduce(0) { $0 + $1.seconds![phase]! } / Double(run.count)
        let told = try #require(try phases.values(phase)[index])
        // The sum has the file's order, and its terms one sign.
        #expect(abs(told - mean) <= 1e-12 * mean, "\(phase)")
      }
    }
    try expectPoints(report, "Training loss", steps) { $0.loss }
    try expectPoints(report, "Gradient norm", steps) { $0.gradientNorm }
    try expectPoints(report, "Learning rate", steps) { $0.learningRate }
    try expectPoints(report, "Damping", Array(steps.prefix(1))) { $0.damping }
    try expectPoints(report, "Test loss", evaluations) { $0.testLoss }
    try expectPoints(report, "Test accuracy", evaluations) { $0.testAccuracy.map { 100 * $0 } }
    let accuracy = try report.points("Test accuracy")
    for (line, run) in zip(accuracy.lines, evaluations) {
      for (told, evaluation) in zip(line.seconds, run) {
        // The report shows microseconds.
        #expect(abs(told - evaluation.trainingSeconds!) <= 0.5001e-6)
      }
    }
  }

  /// Expects the points' numbers to be those of the lines, and the drawing to place them according
  /// to its axes.
  private func expectPoints(
    _ report: Report, _ figure: String, _ runs: [[MetricsLine]], _ value: (MetricsLine) -> Double?
  ) throws {
    let lines = try report.points(figure).lines.filter { $0.kind == "values" }
    #expect(lines.map(\.step) == runs.map { $0.map { Double($0.step) } }, "\(figure)")
    #expect(lines.map(\.value) == runs.map { $0.map(value) }, "\(figure)")
    let drawings = try report.drawings(figure)
    #expect(drawings.count == 2)
    let (x, y) = (try Axis(.x, of: drawings[0]), try Axis(.y, of: drawings[0]))
    let drawn = drawings[0].filter {
      $0.name == "polyline" && $0.attributes["stroke"]!.contains("series")
    }
    for line in lines {
      let expected = zip(line.step, line.value).map { (x.place(of: $0), y.place(of: $1!)) }
      let isThere = drawn.contains { element in
        let places = element.places
        // Coordinates have tenths of a pixel, and two ticks give the axis.
        return places.count == expected.count
          && zip(places, expected).allSatisfy { abs($0.x - $1.0) < 0.35 && abs($0.y - $1.1) < 0.35 }
      }
      #expect(isThere, "\(figure) of \(line.run)")
    }
  }

  /// An axis, linear or logarithmic, read from its tick labels.
  private struct Axis {
    enum Side { case x, y }
    private let ticks: [(value: Double, place: Double)]
    private let isLogarithmic: Bool

    init(_ side: Side, of drawing: [Report.Element]) throws {
      let names = drawing.filter { $0.name == "text" && $0.attributes["class"] == nil }
      ticks = try names.filter { ($0.attributes["text-anchor"] == "middle") == (side == .x) }.map {
        // A label at the side stands 4 pixels below its line.
        (try #require(Double($0.text)), side == .x ? $0.number("x") : $0.number("y") - 4)
      }.sorted { $0.value < $1.value }
      try #require(ticks.count >= 2)
      let (first, last) = (ticks[0], ticks[ticks.count - 1])
      let middle = ticks[ticks.count / 2]
      func isStraight(_ scale: (Double) -> Double) -> Bool {
        let share =
          (scale(middle.value) - scale(first.value)) / (scale(last.value) - scale(first.value))
        return abs(first.place + share * (last.place - first.place) - middle.place) < 0.35
      }
      isLogarithmic = !isStraight { $0 }
      if isLogarithmic { try #require(isStraight { log($0) }) }
    }

    func place(of value: Double) -> Double {
      let (first, last) = (ticks[0], ticks[ticks.count - 1])
      func scale(_ value: Double) -> Double { isLogarithmic ? log(value) : value }
      let share = (scale(value) - scale(first.value)) / (scale(last.value) - scale(first.value))
      return first.place + share * (last.place - first.place)
    }
  }

  /// Steps and seconds to a target; several seeds give their means.
  @Test("targets are reached at the steps and times of the file") func targetAccuracy() throws {
    let directory = try TemporaryDirectory()
    func run(_ name: String, seed: Int, _ accuracies: [Double]) throws -> String {
      try WrittenRun.write(
        name, in: directory, settings: "optimizer: mfac\nseed: \(seed)\nrun-directory: \(name)\n",
        steps: (0..<30).map { _ in .init(loss: 1) },
        evaluations: accuracies.enumerated().map { index, accuracy in
          (
            10 * (index + 1),
            "\"test_loss\":\(1 - accuracy),\"test_accuracy\":\(accuracy),"
              + "\"training_seconds\":\(Double(index + 1) * 0.5),\"seconds_since_start\":9"
          )
        })
    }
    let runs = [
      try run("a", seed: 0, [0.5, 0.9, 0.95]), try run("b", seed: 1, [0.2, 0.8, 0.93]),
    ]
    // 0.93 is the best accuracy that both reach.
    let table = try Report(on: runs, in: directory).table("target-accuracy")
    #expect(try table.values("steps") == [30, 30])
    let given = try Report(on: runs, ["--target", "90%", "--target-loss", "0.55"], in: directory)
    #expect(try given.table("target-accuracy").values("steps") == [20, 30])
    #expect(try given.table("target-accuracy").values("seconds") == [1, 1.5])
    #expect(try given.table("target-accuracy").values("of the fastest") == [1, 1.5])
    #expect(try given.table("target-loss").values("steps") == [10, 20])
    // The seeds of a single setting have their own colours.
    let drawn = try given.drawings("Test accuracy")[0].compactMap { $0.attributes["stroke"] }
    #expect(drawn.contains("var(--series-0)") && drawn.contains("var(--series-1)"))
    let means = try given.table("means-accuracy")
    #expect(try means.values("steps to the target, mean") == [25])
    #expect(try means.values("seconds, mean") == [1.25])
    #expect(try means.values("last test accuracy, mean") == [(0.95 + 0.93) / 2])
    let other = try WrittenRun.write(
      "other", in: directory, settings: "optimizer: sgd\nseed: 0\n", steps: [.init(loss: 1)])
    let three = try Report(on: [other] + runs, in: directory)
    let lines = try three.drawings("Test accuracy")[0].compactMap { $0.attributes["stroke"] }
    #expect(lines.filter { $0 == "var(--series-1)" }.count == 2)
    #expect(three.text.contains("<span>a (2 seeds)</span>"))
    let unreached = try Report(on: runs, ["--target", "0.94"], in: directory)
    #expect(try unreached.table("target-accuracy").values("steps") == [30, nil])
    #expect(try unreached.table("means-accuracy").values("seconds, mean") == [nil])
  }

  @Test("settings and environments are reported") func settingsAndEnvironments() throws {
    let directory = try TemporaryDirectory()
    let starts = """
      {"started":"2026-01-02T03:04:05Z","from_step":0,"ranks":4,"hosts":["n1","n1","n2","n2"],\
      "cpu":"X","cores":8,"blas_core_type":"Zen","openblas":"0.3","open_mpi":"4.1",\
      "swift_mfac":"1","command_line":"swift-mfac-train --x"}
      {"started":"2026-01-03T03:04:05Z","from_step":7,"ranks":2,"hosts":["n1","n2"]}

      """
    let runs = [
      try WrittenRun.write(
        "a", in: directory,
        settings: "optimizer: mfac\nwindow: 64\ngroups: [{match: '*', mfac: false}]\n",
        steps: [.init(loss: 1)], environment: starts),
      try WrittenRun.write(
        "b", in: directory, settings: "optimizer: mfac\nwindow: 128\n", steps: [.init(loss: 1)]),
    ]
    let report = try Report(on: runs, in: directory)
    let differing = try report.table("differences")
    #expect(differing.head == ["setting", "a", "b"])
    #expect(
      differing.rows.map { $0.map(\.text) } == [
        ["window", "64", "128"], ["groups", "{match: *, mfac: false}", "–"],
      ])
    #expect(try report.table("settings").column("a").map(\.text).contains("mfac"))
    let environment = try report.table("environment")
    #expect(try environment.column("run").map(\.text) == ["a", "a", "b"])
    #expect(try environment.values("ranks") == [4, 2, 3])
    #expect(try environment.values("from step") == [0, 7, nil])
    #expect(try environment.column("hosts").map(\.text) == ["n1 × 2, n2 × 2", "n1, n2", "–"])
    #expect(try environment.column("BLAS core type").map(\.text) == ["Zen", "–", "Haswell"])
    #expect(try report.table("commands").rows[0][1].text == "swift-mfac-train --x")
  }
}
