import Foundation
import RunRecords
import Support
import Testing

/// Tests the data settings on the command line.
@Suite(.serialized) struct DataSettingsTests {
  @Test(
    "settings that contradict the data set are refused",
    arguments: [
      (["--dataset", "csv:t.csv", "--vocabulary", "5"], ["--vocabulary", "tokens only"]),
      (
        ["--dataset", "text:t", "--input-mean", "0.5"], ["--input-mean", "applies to images only"]
      ),
      (["--dataset", "text:t", "--augment", "none"], ["--augment", "applies to images only"]),
      (["--dataset", "npy:x,y", "--flip"], ["--flip", "applies to images only"]),
      (["--dataset", "csv:t.csv", "--crop-padding", "1"], ["--crop-padding", "to images only"]),
      (["--dataset", "digits", "--context-length", "5"], ["--context-length", "text and tokens"]),
      (["--dataset", "npy:x,y", "--task", "regression"], ["--task", "applies to csv only"]),
      (["--dataset", "digits", "--target", "y"], ["--target", "applies to csv only"]),
      (
        ["--dataset", "npy:a,b,c,d", "--test-fraction", "0.2"],
        ["--test-fraction", "npy of two files"]
      ),
      (
        ["--dataset", "csv:t.csv", "--test-csv", "u.csv", "--test-fraction", "0.2"],
        ["--test-fraction", "no --test-csv"]
      ),
      (["--dataset", "text:t", "--test-csv", "u.csv"], ["--test-csv", "applies to csv only"]),
      (["--dataset", "digits", "--test-fraction", "0.2"], ["--test-fraction", "digits"]),
      (
        ["--dataset", "csv:t.csv", "--test-fraction", "1"], ["--test-fraction", "in (0, 1)", "1.0"]
      ),
      (["--dataset", "tokens:t"], ["--vocabulary", "number of different tokens", "none"]),
      (
        ["--dataset", "tokens:t", "--vocabulary", "16777217"],
        ["--vocabulary", "2...16777216", "16777217"]
      ),
      (["--dataset", "text:t", "--token-type", "uint32"], ["--token-type", "tokens only"]),
      (["--dataset", "digits", "--header", "no"], ["--header", "applies to csv only"]),
      (["--dataset", "csv:t.csv", "--header", "maybe"], ["--header", "maybe", "yes"]),
      (["--dataset", "/nowhere/t.csv.gz"], ["expected csv:/nowhere/t.csv.gz, got"]),
      (["--dataset", "text:t", "--context-length", "-1"], ["--context-length", "-1"]),
      (["--dataset", "digits", "--crop-padding", "-1"], ["--crop-padding", "-1"]),
      (["--dataset", "digits", "--augment", "strong"], ["--augment", "strong"]),
      (["--dataset", "digits", "--input-mean", "1,2"], ["input mean", "2"]),
      (["--dataset", "digits", "--input-std", "1,"], ["--input-std", "1,"]),
      (["--dataset", "digits", "--input-std", "1,0"], ["input std", "0.0"]),
      (
        ["--dataset", "digits", "--input-mean", "1,2,3", "--input-std", "1,1,1"],
        ["input mean", "3 numbers", "1 channel"]
      ),
      (["--dataset", "npy:x"], ["npy", "two files or four"]),
      (["--dataset", "csv:/nowhere.csv"], ["/nowhere.csv", "No such file"]),
    ])
  func badSettings(arguments: [String], says: [String]) throws {
    let directory = try TemporaryDirectory()
    let outcome = try Program.train(arguments + ["--run-directory", directory.path("run")])
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    for part in says { #expect(outcome.errors.contains(part), "'\(part)' in \(outcome.errors)") }
    #expect(!FileManager.default.fileExists(atPath: directory.path("run")))
  }

  @Test("augmented runs do not depend on the number of ranks") func augmentedRuns() throws {
    let directory = try TemporaryDirectory()
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--batch-size", "48", "--steps", "60",
      "--crop-padding", "1", "--window", "8",
    ]
    var models: [Data] = []
    for (number, run) in [(nil, "standard"), (3, "standard"), (nil, "none")].enumerated() {
      let path = directory.path("run-\(number)")
      let outcome = try Program.train(
        ranks: run.0, settings + ["--augment", run.1, "--run-directory", path])
      try #require(outcome.status == 0, "\(outcome.errors)")
      models.append(try trainedNetwork(of: path))
    }
    #expect(models[0] == models[1])
    #expect(models[0] != models[2])

    // The run's own file repeats it; --augment on the command line replaces the file's
    // augmentation.
    let file = "\(directory.path("run-0"))/config.yaml"
    for (number, flags) in [[], ["--augment", "none"]].enumerated() {
      let path = directory.path("again-\(number)")
      let outcome = try Program.train(["--config", file, "--run-directory", path] + flags)
      try #require(outcome.status == 0, "\(outcome.errors)")
      let model = try trainedNetwork(of: path)
      #expect((model == models[0]) == flags.isEmpty)
    }
    let configuration = try String(
      contentsOfFile: "\(directory.path("again-1"))/config.yaml", encoding: .utf8)
    for line in ["augment: none", "crop-padding: 0", "flip: false"] {
      #expect(configuration.contains("\n\(line)\n"))
    }
  }

  /// Learns three clouds of points that are not linearly separable, from a file with class names.
  @Test("classes of a table are learned") func tableClasses() throws {
    let directory = try TemporaryDirectory()
    var text = "radius;\"angle; in turns\";kind\n"
    for row in 0..<600 {
      let (radius, angle) = (Double(row % 30) / 10, Double(row * 7 % 100) / 100)
      text += "\(radius);\(angle);\(radius < 1 ? "inner" : angle < 0.5 ? "left" : "right")\n"
    }
    let file = try directory.write(text, to: "table.csv")
    let settings = try directory.write("task: classification\ntest-fraction: 0.2\n", to: "s.yaml")
    let outcome = try Program.train(
      ranks: 2,
      [
        "--config", settings, "--dataset", "csv:\(file)", "--model", "mlp", "--optimizer", "adamw",
        "--learning-rate", "0.01", "--batch-size", "48", "--epochs", "12", "--run-directory",
        directory.path("run"),
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.output.contains(
        "480 training and 120 test rows, 2 features, 3 classes of 'kind': inner, left, right"))
    let last = try #require(try MetricsLine.read(directory.path("run")).last)
    #expect(try #require(last.testAccuracy) > 0.9)
  }
}
