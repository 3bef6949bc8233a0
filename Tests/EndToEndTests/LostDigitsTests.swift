import Datasets
import Foundation
import Testing

/// Gradients beside which λ disappears in rounding: pruning stays exact, and training says so.
@Suite(.serialized) struct LostDigitsTests {
  private let directory = try! TemporaryDirectory()

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  /// 200 gradients of 40 weights, of the size of raw prices. The whole matrix by its m×m side, and as one
  /// block by its d×d side, are two ways to the same numbers.
  @Test func bothSidesOfTheMatrixPruneAlike() throws {
    var gradients: [Double] = []
    for r in 0..<200 {
      for i in 0..<40 {
        let number = (r * r * 7 + r * i * 13 + i * i * i * 5 + 3 * i) % 997 - 498
        gradients.append(Double(number) * (i % 3 == 0 ? 1048576 : 64))
      }
    }
    try NPYFile.write(gradients, shape: [200, 40], to: directory.path("g.npy"))
    let weights = (0..<40).map { (i: Int) -> Float in Float((i * 29) % 41 - 20) / 16 + 0.03 }
    try weights.withUnsafeBufferPointer {
      try SafetensorsFile.write([("w", [4, 10], $0)], to: directory.path("w.safetensors"))
    }
    func pruned(_ method: String, ranks: Int?, _ arguments: [String]) throws -> [Double] {
      let output = directory.path("\(method)-\(ranks ?? 0)")
      let outcome = try Program.run(
        Program.process(
          ranks: ranks, program: Program.prune,
          [
            "--weights", directory.path("w.safetensors"), "--gradients",
            directory.path("g.npy"), "--method", method, "--sparsity", "0.4", "--damping", "1e-5",
            "--output", output,
          ] + arguments))
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try SafetensorsFile(path: "\(output)/model.safetensors").doubles("w")
    }
    let whole = try pruned("mfac", ranks: nil, [])
    #expect(try pruned("mfac", ranks: 3, []) == whole)
    let block = try pruned("woodfisher", ranks: nil, ["--block-size", "40"])
    #expect(whole.count { $0 == 0 } == 16)
    #expect(zip(whole, block).allSatisfy { ($0 == 0) == ($1 == 0) })
    for (a, b) in zip(whole, block) { #expect(abs(a - b) <= 1e-6 * max(abs(b), 1)) }
  }

  /// Regression on raw prices by four parameters, two batches that recur, 16 gradients: K has rank 5. What
  /// is reported of a step's direction is what the step has done to the weights.
  @Test func reportedDirectionsAreThoseOfTheSteps() throws {
    let inputs = (0..<48).flatMap { row in (0..<4).map { row >> $0 & 1 == 0 ? -1.0 : 1 } }
    let targets = (0..<48).map { Double(($0 * 37) % 101) * 4000 }
    try NPYFile.write(inputs, shape: [48, 4], to: directory.path("x.npy"))
    try NPYFile.write(targets, shape: [48], to: directory.path("y.npy"))
    try "input: [4]\nlayers:\n  - linear: {in: 4, out: 1}\n".write(
      toFile: directory.path("m.yaml"), atomically: true, encoding: .utf8)
    let rate = 100.0
    func train(_ steps: Int, ranks: Int? = nil) throws -> (run: String, errors: String) {
      let run = directory.path("run-\(steps)-\(ranks ?? 0)")
      let files = ["x", "y", "x", "y"].map { directory.path("\($0).npy") }
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "npy:\(files.joined(separator: ","))", "--model", directory.path("m.yaml"),
          "--order", "sequential", "--batch-size", "24", "--micro-batches", "2", "--schedule",
          "constant", "--learning-rate", "\(rate)", "--clip-norm", "1e30", "--window", "16",
          "--damping", "1e-5", "--insert-every", "2", "--steps", "\(steps)", "--run-directory", run,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      return (run, outcome.errors)
    }
    func weights(_ run: String) throws -> [Double] {
      let file = try SafetensorsFile(path: "\(run)/model.safetensors")
      return try file.tensors.flatMap { try file.doubles($0.name) }
    }
    let runs = try [20, 21, 22].map { try train($0) }
    let lines = try MetricsLine.read(runs[2].run).filter { $0.loss != nil }
    // One step whose gradient goes into the window, and one beside it.
    for (before, after) in [(0, 1), (1, 2)] {
      let change = zip(try weights(runs[after].run), try weights(runs[before].run)).map { $0 - $1 }
      let norm = change.reduce(0) { $0 + $1 * $1 }.squareRoot() / rate
      let reported = try #require(lines[20 + before].directionNorm)
      // The weights are in single precision.
      #expect(abs(reported / norm - 1) < 1e-3, "\(reported) for \(norm)")
      #expect(lines[20 + before].angle != nil)
    }
    let warnings = runs[2].errors.split(separator: "\n").filter {
      $0.contains("disappears beside the window's gradients")
    }
    #expect(warnings.count == 1 && warnings[0].contains("--damping-relative"))
    let shared = try train(22, ranks: 3).run
    #expect(
      try bytes("\(shared)/model.safetensors") == bytes("\(runs[2].run)/model.safetensors"))
  }
}
