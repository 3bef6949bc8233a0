import Foundation
import Support
import Testing

/// Tests data that are damaged, or that the model and the loss cannot learn. One message names the
/// file and the place, before the run starts.
@Suite struct DataFailureTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// FILE is replaced by a file with `data`, MODEL by a model file with `model`.
    let arguments: [String]
    var data = Data()
    var model = ""
    let says: [String]
  }

  static func text(_ text: String) -> Data { Data(text.utf8) }
  static func npy(_ shape: [Int], _ bytes: Data) -> Data {
    let shape = shape.map { "\($0)," }.joined(separator: " ")
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(shape)), }\n"
    return [0x93] + text("NUMPY") + [1, 0, UInt8(header.utf8.count), 0] + text(header) + bytes
  }
  static let table = text("a,b,y\n" + (0..<40).map { "\($0),\($0 % 7),\($0 % 3)\n" }.joined())
  static let channelsLast = npy([20, 8, 8, 3], Data(repeating: 1, count: 20 * 192))
  static let targets = npy([20], Data((0..<20).map { $0 % 2 }))
  static let words = text((0..<2000).map { "\($0) " }.joined())

  static let cases: [Case] = [
    Case(
      testDescription: "odd number of bytes of tokens",
      arguments: ["--dataset", "tokens:FILE", "--vocabulary", "300", "--model", "gpt-mini"],
      data: Data(repeating: 1, count: 20_001), says: ["FILE", "20001"]),
    Case(
      testDescription: "token outside of the vocabulary",
      arguments: ["--dataset", "tokens:FILE", "--vocabulary", "300", "--model", "gpt-mini"],
      data: Data(repeating: 0, count: 20_000) + [44, 1] + Data(repeating: 0, count: 20_000),
      says: ["FILE", "300", "20000"]),
    Case(
      testDescription: "text shorter than a context",
      arguments: ["--dataset", "text:FILE", "--model", "gpt-mini"], data: text("short"),
      says: ["FILE", "64"]),
    Case(
      testDescription: "missing cell",
      arguments: ["--dataset", "csv:FILE", "--model", "mlp"],
      data: text("a,b,y\n1,2,3\n4,,6\n"), says: ["FILE", "3", "'b'"]),
    Case(
      testDescription: "text where numbers belong",
      arguments: ["--dataset", "csv:FILE", "--model", "mlp"],
      data: text("a,b,y\n1,2,3\n4,five,6\n"), says: ["FILE", "3", "'b'", "five"]),
    Case(
      testDescription: "no such column",
      arguments: ["--dataset", "csv:FILE", "--target", "z", "--model", "mlp"], data: table,
      says: ["FILE", "z", "a"]),
    Case(
      testDescription: "wrong number of classes",
      arguments: ["--dataset", "csv:FILE", "--task", "classification", "--model", "MODEL"],
      data: table, model: "input: [2]\nlayers: [{linear: {in: 2, out: 4}}]",
      says: ["the model", "3 outputs", "got 4"]),
    Case(
      testDescription: "as many outputs as the column has classes",
      arguments: ["--dataset", "csv:FILE", "--model", "MODEL"],
      data: table, model: "input: [2]\nlayers: [{linear: {in: 2, out: 3}}]",
      says: ["the model", "1 output", "--task classification", "got 3"]),
    Case(
      testDescription: "classes where numbers belong",
      arguments: ["--dataset", "csv:FILE", "--model", "mlp"],
      data: text("a,b,y\n1,2,good\n4,5,bad\n"),
      says: ["FILE", "line 2", "'y'", "--task classification"]),
    Case(
      testDescription: "a table for the default network", arguments: ["--dataset", "csv:FILE"],
      data: table, says: ["--model", "expected --model mlp for rows of shape [2]", "got cnn"]),
    Case(
      testDescription: "images with their channels last",
      arguments: ["--dataset", "npy:FILE,TARGETS", "--model", "cnn"], data: channelsLast,
      says: ["FILE", "expected shape [3, 8, 8]: array.transpose(0, 3, 1, 2), got [8, 8, 3]"]),
    Case(
      testDescription: "images with their channels last for a model file",
      arguments: ["--dataset", "npy:FILE,TARGETS", "--model", "MODEL"], data: channelsLast,
      model: "input: [3, 8, 8]\nlayers: [flatten, {linear: {in: 192, out: 2}}]",
      says: ["FILE", "expected shape [3, 8, 8]: array.transpose(0, 3, 1, 2), got [8, 8, 3]"]),
    Case(
      testDescription: "cross-entropy of numbers",
      arguments: ["--dataset", "csv:FILE", "--loss", "cross-entropy", "--model", "mlp"],
      data: table, says: ["--loss", "cross-entropy", "mean-squared-error"]),
    Case(
      testDescription: "binary cross-entropy of numbers that are no probabilities",
      arguments: ["--dataset", "csv:FILE", "--loss", "binary-cross-entropy", "--model", "mlp"],
      data: table, says: ["--loss", "binary-cross-entropy"]),
    Case(
      testDescription: "smoothed labels of squared errors",
      arguments: [
        "--dataset", "digits", "--model", "mlp", "--loss", "mean-squared-error",
        "--label-smoothing", "0.1",
      ], says: ["--label-smoothing", "0.1"]),
    Case(
      testDescription: "smoothed cross-entropy of a single output",
      arguments: [
        "--dataset", "csv:FILE", "--task", "classification", "--label-smoothing", "0.1", "--model",
        "MODEL",
      ], data: text("a,y\n" + (0..<40).map { "\($0),\($0 % 2)\n" }.joined()),
      model: "input: [1]\nlayers: [{linear: {in: 1, out: 1}}]",
      says: ["the model", "2 outputs", "got 1"]),
    Case(
      testDescription: "batch-norm over one example",
      arguments: ["--dataset", "csv:FILE", "--micro-batches", "8", "--model", "MODEL"], data: table,
      model: "input: [2]\nlayers: [batch-norm, {linear: {in: 2, out: 1}}]",
      says: ["--micro-batches", "at least 2 examples"]),
    Case(
      testDescription: "channels where height belongs",
      arguments: ["--dataset", "digits", "--model", "MODEL"],
      model: "input: [8, 8, 1]\nlayers: [flatten, {linear: {in: 64, out: 10}}]",
      says: ["the model", "expected input: [1, 8, 8], got [8, 8, 1]"]),
    Case(
      testDescription: "more scores than memory can hold",
      arguments: ["--dataset", "digits", "--model", "MODEL"],
      model: """
        input: [1, 8, 8]
        layers:
          - conv2d: {in: 1, out: 1, kernel: 1, padding: 13000}
          - to-sequence
          - attention: {heads: 1}
          - global-average-pool
          - linear: {in: 1, out: 10}
        """, says: ["MODEL", "layer 2 (attention)", "scores"]),
    Case(
      testDescription: "numbers embedded as tokens",
      arguments: ["--dataset", "csv:FILE", "--model", "MODEL"], data: table,
      model: """
        input: [2]
        layers: [{embedding: {vocabulary: 9, width: 2}}, flatten, {linear: {in: 4, out: 1}}]
        """, says: ["FILE", "token", "0 to 8"]),
    Case(
      testDescription: "vocabulary smaller than the data's",
      arguments: ["--dataset", "text:FILE", "--model", "MODEL"], data: words,
      model: """
        input: [64]
        layers: [{embedding: {vocabulary: 40, width: 2}}, {linear: {in: 2, out: 256}}]
        """, says: ["FILE", "token", "0 to 39"]),
    Case(
      testDescription: "one prediction for a sequence",
      arguments: ["--dataset", "text:FILE", "--model", "mlp"], data: words,
      says: ["--model", "expected --model gpt-mini for sequences of shape [64]", "got mlp"]),
    Case(
      testDescription: "images for a language model",
      arguments: ["--dataset", "digits", "--model", "gpt-mini"],
      says: ["gpt-mini", "expected --model cnn", "[1, 8, 8]"]),
    Case(
      testDescription: "sequences for a residual network",
      arguments: ["--dataset", "text:FILE", "--model", "resnet20"], data: words,
      says: ["resnet", "expected --model gpt-mini", "[64]"]),
  ]

  @Test("bad data are refused before the run starts", arguments: cases)
  func badData(_ example: Case) throws {
    let directory = try TemporaryDirectory()
    let data = directory.path("FILE")
    try example.data.write(to: URL(filePath: data))
    let (model, targets) = (
      try directory.write(example.model, to: "model.yaml"), directory.path("TARGETS")
    )
    try Self.targets.write(to: URL(filePath: targets))
    for ranks in [nil, 2] {
      let run = directory.path("run")
      let outcome = try Program.train(
        ranks: ranks,
        example.arguments.map {
          $0.replacing("FILE", with: data).replacing("MODEL", with: model)
            .replacing("TARGETS", with: targets)
        } + ["--batch-size", "8", "--run-directory", run])
      #expect(outcome.status != 0)
      let errors = outcome.errors.replacing(data, with: "FILE").replacing(model, with: "MODEL")
      #expect(errors.components(separatedBy: "Error: ").count == 2, "\(errors)")
      for part in example.says { #expect(errors.contains(part), "'\(part)' in \(errors)") }
      #expect(!errors.contains("Fatal") && !errors.contains("***"), "\(errors)")
      #expect(!FileManager.default.fileExists(atPath: run))
    }
  }

  @Test("truncated images are refused") func truncatedImages() throws {
    let directory = try TemporaryDirectory()
    for name in (1...5).map({ "data_batch_\($0)" }) + ["test_batch"] {
      try Data(
        repeating: 1,
        count: 3073 * (name == "test_batch" ? 4 : 16) - (name == "data_batch_3" ? 1 : 0)
      )
      .write(to: URL(filePath: directory.path("\(name).bin")))
    }
    let outcome = try Program.train(
      ranks: 2,
      [
        "--dataset", "cifar10:\(directory.path(""))", "--model", "resnet20", "--batch-size", "8",
        "--run-directory", directory.path("run"),
      ])
    #expect(outcome.status != 0)
    #expect(outcome.errors.contains("data_batch_3.bin") && outcome.errors.contains("3073"))
    #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: directory.path("run")))
  }
}
