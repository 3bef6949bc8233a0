import Foundation
import Optimizers
import RunRecords
import Support
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Runs `swift-mfac-bench` as a user does.
@Suite(.serialized) struct BenchmarkTests {
  private func run(ranks: Int? = nil, _ arguments: [String]) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: ranks, program: Program.bench, arguments))
  }

  /// Returns whether `swift-mfac-report plot` draws a results file.
  private func isDrawn(_ results: String, in directory: TemporaryDirectory) throws -> Bool {
    let plot = directory.path("plot.svg")
    let outcome = try Program.run(
      Program.process(
        ranks: nil, program: Program.report, ["plot", results, "--output", plot]))
    #expect(outcome.status == 0, "\(outcome.errors)")
    return XMLParser(data: try Data(contentsOf: URL(filePath: plot))).parse()
  }

  static let optimizers: [[String]] =
    OptimizerName.names.map {
      ["--optimizer", $0] + ($0 == "mfac" ? ["--window", "6"] : [])
    } + [
      ["--optimizer", "kfac", "--factor-every", "3", "--inverse-every", "2"],
      [
        "--optimizer", "kfac", "--solver", "eigen", "--factor-every", "1", "--inverse-every", "3",
        "--kfac-grad-workers", "0.5",
      ],
      ["--optimizer", "kfac", "--solver", "cg", "--inverse-every", "3", "--cg-iterations", "6"],
      [
        "--optimizer", "kfac", "--solver", "cg", "--cg-operator", "fisher", "--inverse-every", "1",
        "--cg-tolerance", "0.5", "--no-cg-warm-start",
      ],
    ]

  /// Compares predicted messages and bytes with those that a run counts, in each phase. The network
  /// has batch-norm statistics, and only 3 ranks divide the micro-batches. Covers conjugate
  /// gradients too, whose layers take different numbers of products.
  @Test("predicted traffic equals the counted traffic", arguments: optimizers.indices)
  func predictedTraffic(index: Int) throws {
    let directory = try TemporaryDirectory()
    let small = try directory.write(
      """
      input: [1, 8, 8]
      layers:
        - conv2d: {in: 1, out: 6, kernel: 3, padding: 1}
        - batch-norm
        - relu
        - conv2d: {in: 6, out: 12, kernel: 3, stride: 2, padding: 1}
        - batch-norm
        - relu
        - flatten
        - linear: {in: 192, out: 100}
        - tanh
        - linear: {in: 100, out: 10}
      """, to: "small.yaml")
    // The first optimizer's gradients form several blocks, those of the others one.
    let model =
      ["--model", index == 0 ? "resnet20" : small, "--batch-size", "18", "--micro-batches", "9"]
      + ["--steps", "1"] + Self.optimizers[index]
    let file = directory.path("curves.json")
    let predicted = try run(
      [
        "predict", "--ranks", "1,2,3,4,8", "--latency", "1e-6", "--bandwidth", "1e9", "--json",
        file,
      ]
        + model)
    try #require(predicted.status == 0, "\(predicted.errors)")
    #expect(try isDrawn(file, in: directory))
    let curve = try Program.record(ScalingCurves.self, in: file).curves[0]
    #expect(curve.predicted.map(\.ranks) == [1, 2, 3, 4, 8])
    for prediction in curve.predicted {
      let json = directory.path("step-\(prediction.ranks).json")
      let outcome = try run(ranks: prediction.ranks, ["step", "--json", json] + model)
      try #require(outcome.status == 0, "\(prediction.ranks) ranks: \(outcome.errors)")
      let counted = try Program.record(StepReport.self, in: json).result
      #expect(counted.traffic == prediction.traffic, "\(prediction.ranks) ranks")
      #expect(counted.messages == prediction.messages && counted.bytes == prediction.bytes)
      #expect((counted.bytes > 0) == (prediction.ranks > 1))
      #expect(counted.samplesPerSecond == 18 / counted.seconds)
      #expect(counted.phases.allSatisfy { $0.fastestSeconds <= $0.seconds })
    }
  }

  /// The points of a sweep are collected in one file, with the prediction.
  @Test("a scaling sweep is collected in one file") func collectedSweep() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("curves.json")
    let problem = [
      "--part", "optimizer", "--parameters", "20000", "--window", "8", "--steps", "3", "--json",
      file,
    ]
    for scaling in ["strong", "weak"] {
      let more = problem + ["--scaling", scaling]
      let link = ["--latency", "0", "--bandwidth", "1e9"]
      #expect(try run(["predict", "--ranks", "1,2,…,4096"] + link + more).status == 0)
      for ranks in [2, 1] {
        let outcome = try run(ranks: ranks, ["scaling"] + more)
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("efficiency"))
        let plot = "plot: swift-mfac-report plot \(file) --output \(directory.path("curves.svg"))\n"
        #expect(outcome.output.hasSuffix(plot), "\(outcome.output)")
      }
    }
    let curves = try Program.record(ScalingCurves.self, in: file).curves
    #expect(curves.count == 2)
    for (curve, work) in zip(curves, [2.0, 1]) {
      #expect(curve.predicted.map(\.ranks) == (0...12).map { 1 << $0 })
      #expect(curve.measured.map(\.ranks) == [1, 2])
      let seconds = curve.measured.map(\.seconds)
      #expect(curve.measured.map(\.efficiency) == [1, seconds[0] / (work * seconds[1])])
      #expect(curve.measured[1].traffic == curve.predicted[1].traffic)
    }
    // Weak scaling: each rank's work is constant, and so is the prediction without latency, except
    // for 8·m/β a level.
    let weak = curves[1].predicted
    #expect(weak[8].seconds < weak[0].seconds * 1.01 + 8 * 64e-9)
    #expect(try isDrawn(file, in: directory))
  }

  /// The optimizer options are those of training; options that differ from the default make another
  /// problem.
  @Test("an optimizer has its training options in benchmarks") func optimizerOptions() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("curves.json")
    let problem = ["scaling", "--part", "optimizer", "--parameters", "2000", "--steps", "2"]
    for more in [[], ["--precondition-every", "2"], ["--window-density", "0.5"]] {
      let outcome = try run(problem + ["--window", "4", "--json", file] + more)
      try #require(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains(", precondition-every 2") == more.contains("2"))
    }
    #expect(
      try Program.record(ScalingCurves.self, in: file).curves.map(\.problem.settings) == [
        nil, ["precondition-every": "2"], nil,
      ])
    let other = try run(["step", "--model", "mlp", "--muon-iterations", "3"])
    #expect(other.status != 0)
    #expect(other.errors.contains("--muon-iterations applies only with --optimizer muon"))
  }

  @Test("every benchmark writes its numbers to a file") func jsonFiles() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("numbers.json")
    for arguments in [
      ["step", "--model", "mlp", "--optimizer", "sgd", "--steps", "1"],
      ["step", "--model", "mlp", "--optimizer", "adamw", "--steps", "1"],
      ["step", "--model", "mlp", "--optimizer", "muon", "--muon-iterations", "2", "--steps", "1"],
      [
        "step", "--model", "mlp", "--optimizer", "kfac", "--fisher", "empirical", "--inverse-every",
        "1", "--factor-every", "1", "--steps", "1",
      ],
      ["networks", "mlp", "--seconds", "0.01"],
      [
        "window", "--parameters", "3000", "--window", "8", "9", "--steps", "1", "--window-type",
        "float32", "bfloat16", "--window-density", "1", "0.1",
      ],
    ] {
      let outcome = try run(arguments + ["--json", file])
      #expect(outcome.status == 0, "\(outcome.errors)")
      _ = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file)))
      #expect(try isDrawn(file, in: directory))
    }
  }

  /// Prints a line for each d and m; several ranks add a line for one alone.
  @Test("static work is timed for every size") func staticSizes() throws {
    for ranks in [1, 3] {
      let outcome = try run(
        ranks: ranks,
        ["static", "--parameters", "70", "3000", "--window", "3", "20", "--steps", "1"])
      try #require(outcome.status == 0, "\(outcome.errors)")
      let lines = outcome.output.split(separator: "\n").filter { $0.contains("of products") }
      #expect(
        zip(lines, ["70, m = 3 ", "70, m = 20 ", "3000, m = 3 ", "3000, m = 20 "]).allSatisfy {
          $0.hasPrefix("d = \($1)")
        } && lines.count == 4, "\(outcome.output)")
      #expect(lines.allSatisfy { $0.contains("× one rank") == (ranks > 1) })
    }
  }

  /// Holds 102 MB of gradients in memory, then in pages.
  @Test("pages take the memory of a few blocks") func pageMemory() throws {
    let directory = try TemporaryDirectory()
    func peak(_ arguments: [String]) throws -> Double {
      let outcome = try run(
        ["static", "--parameters", "100000", "--window", "256", "--steps", "1"] + arguments)
      try #require(outcome.status == 0, "\(outcome.errors)")
      let end = try #require(outcome.output.components(separatedBy: "peak so far ").last)
      return try #require(Double(end.prefix { $0 != " " }))
    }
    let (inMemory, inPages) = (try peak([]), try peak(["--page-directory", directory.path("")]))
    #expect(inPages <= inMemory - 0.08, "\(inPages) GB in pages, \(inMemory) in memory")
  }

  static let refused: [(arguments: [String], says: [String])] = [
    (["step", "--model", "cnm"], ["no network 'cnm'"]),
    (["step", "--window", "0"], ["--window", "0"]),
    (["step", "--batch-size", "100"], ["--batch-size", "multiple", "100"]),
    (["step", "--steps", "0"], ["--steps", "0"]),
    (["step", "--json", "/nowhere/a.json"], ["--json", "/nowhere/a.json"]),
    (["step", "--plot", "/"], ["--plot", "swift-mfac-report plot"]),
    (["networks", "--json", "/nowhere/a.json"], ["--json", "/nowhere/a.json"]),
    (["networks", "--seconds", "nan"], ["--seconds", "nan"]),
    (["networks", "--seconds", "-1"], ["--seconds", "-1"]),
    (["networks", "--batch-size", "0"], ["--batch-size", "0"]),
    (["networks", "--micro-batches", "7"], ["--micro-batches", "128", "7"]),
    (["window", "--parameters", "-1"], ["--parameters", "-1"]),
    (["scaling", "--part", "all"], ["all", "--part"]),
    (["scaling", "--part", "optimizer", "--parameters", "100"], ["--window", "100"]),
    (["scaling", "--model", "cnn", "--json", #filePath], ["BenchmarkTests.swift"]),
    (["predict", "--ranks", "0,1", "--latency", "0", "--bandwidth", "1"], ["0,1", "--ranks"]),
    (["predict", "--ranks", "2,1", "--latency", "0", "--bandwidth", "1"], ["2,1", "--ranks"]),
    (["predict", "--ranks", "1", "--latency", "-1", "--bandwidth", "1"], ["--latency", "-1"]),
    (["predict", "--ranks", "1", "--latency", "0", "--bandwidth", "0"], ["--bandwidth", "0"]),
    (
      ["predict", "--ranks", "1,9", "--latency", "0", "--bandwidth", "1"], ["--micro-batches", "9"]
    ),
    (["link"], ["2 ranks", "1"]),
    (["step", "--optimizer", "kfac", "--solver", "lu"], ["--solver", "lu"]),
    (
      ["step", "--optimizer", "kfac", "--solver", "cg", "--factor-every", "2"],
      ["--factor-every", "1 with --solver cg", "2"]
    ),
    (
      ["step", "--optimizer", "kfac", "--solver", "cg", "--kfac-grad-workers", "0.5"],
      ["--kfac-grad-workers", "1 with --solver cg", "0.5"]
    ),
    (["static", "--window", "0"], ["--window", "0"]),
    (["static", "--parameters", "5", "0"], ["--parameters", "0"]),
  ]

  @Test("bad arguments are refused in one line", arguments: refused)
  func badArguments(arguments: [String], says: [String]) throws {
    let outcome = try run(arguments)
    #expect(outcome.status != 0)
    #expect(outcome.output == "")
    let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error:") }
    #expect(errors.count == 1, "\(outcome.errors)")
    for text in says { #expect(outcome.errors.contains(text), "\(outcome.errors)") }
  }

  /// The message names the option that the user can change here.
  @Test("a window with too few coordinates is refused") func tooFewCoordinates() throws {
    let outcome = try run(["window", "--parameters", "100", "--window", "256"])
    #expect(outcome.status != 0)
    #expect(outcome.errors.contains("--window"), "\(outcome.errors)")
  }

  /// Several ranks print one message.
  @Test("several ranks refuse with one message") func oneRefusal() throws {
    let outcome = try run(ranks: 3, ["step", "--micro-batches", "2"])
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "--micro-batches").count == 2)
  }
}

extension StepResult {
  /// Messages and bytes sent, by phase.
  fileprivate var traffic: [String: [Int]] {
    Dictionary(uniqueKeysWithValues: phases.map { ($0.phase, [$0.messages, $0.bytes]) })
  }
}
