import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Tests gradients so large that λ disappears in rounding: pruning stays exact, and training warns.
@Suite(.serialized) struct LostDigitsTests {
  private let directory = try! TemporaryDirectory()

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  /// Uses 200 gradients of 40 weights, of the size of raw prices. The whole matrix by its m×m side,
  /// and one block by its d×d side, give the same numbers in two ways.
  @Test("both sides of the matrix prune to the same weights") func bothSides() throws {
    var gradients: [Double] = []
    for r in 0..<200 {
      for i in 0..<40 {
        let number = (r * r * 7 + r * i * 13 + i * i * i * 5 + 3 * i) % 997 - 498
        gradients.append(Double(number) * (i % 3 == 0 ? 1_048_576 : 64))
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
      #expect(outcome.output.contains("relative error of the updates: at most "))
      return try SafetensorsFile(path: "\(output)/model.safetensors").values("w", as: Double.self)
    }
    let whole = try pruned("mfac", ranks: nil, [])
    #expect(try pruned("mfac", ranks: 3, []) == whole)
    let block = try pruned("woodfisher", ranks: nil, ["--block-size", "40"])
    #expect(whole.count { $0 == 0 } == 16)
    #expect(zip(whole, block).allSatisfy { ($0 == 0) == ($1 == 0) })
    for (a, b) in zip(whole, block) { #expect(abs(a - b) <= 1e-6 * max(abs(b), 1)) }
  }

  /// Trains a regression on raw prices with four parameters at weights that stay zero. The window
  /// holds one batch's gradient g 8 times; the other batch's h is outside it. `F = λI + (n/m) ggᵀ`
  /// has closed forms. The products from the m×m side consist of rounding alone.
  @Test("reported directions are those of the steps") func reportedDirections() throws {
    let inputs = (0..<48).map { row in (0..<4).map { row >> $0 & 1 == 0 ? -1.0 : 1 } }
    let targets = (0..<48).map { Double(($0 * 37) % 101) * 4000 }
    try NPYFile.write(inputs.flatMap { $0 }, shape: [48, 4], to: directory.path("x.npy"))
    try NPYFile.write(targets, shape: [48], to: directory.path("y.npy"))
    try "input: [4]\nlayers:\n  - linear: {in: 4, out: 1}\n".write(
      toFile: directory.path("m.yaml"), atomically: true, encoding: .utf8)
    func train(
      _ name: String, ranks: Int? = nil, _ arguments: [String]
    ) throws -> (run: String, errors: String) {
      let run = directory.path(name)
      let files = ["x", "y", "x", "y"].map { directory.path("\($0).npy") }
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "npy:\(files.joined(separator: ","))", "--model", directory.path("m.yaml"),
          "--order", "sequential", "--batch-size", "24", "--micro-batches", "4", "--schedule",
          "constant", "--clip-norm", "1e30", "--window", "16", "--damping", "0.05",
          "--insert-every", "2", "--steps", "16", "--preset", "published", "--run-directory", run,
        ] + arguments)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return (run, outcome.errors)
    }
    let moved = try [nil, 3].map {
      try train("moved\($0 ?? 0)", ranks: $0, ["--learning-rate", "1"])
    }
    #expect(
      try bytes("\(moved[0].run)/model.safetensors") == bytes("\(moved[1].run)/model.safetensors"))

    let names = try SafetensorsFile(path: "\(moved[0].run)/model.safetensors").tensors
    let zeros = names.map { [Float](repeating: 0, count: $0.count) }
    try zeros[0].withUnsafeBufferPointer { first in
      try zeros[1].withUnsafeBufferPointer { second in
        try SafetensorsFile.write(
          [(names[0].name, names[0].shape, first), (names[1].name, names[1].shape, second)],
          to: directory.path("zeros.safetensors"))
      }
    }
    let (run, errors) = try train(
      "still",
      ["--learning-rate", "0", "--weights", directory.path("zeros.safetensors")])
    func gradient(_ batch: Range<Int>) -> [Double] {
      (0...4).map { i in
        batch.reduce(0) { $0 - targets[$1] * (i < 4 ? inputs[$1][i] : 1) } * 2 / 24
      }
    }
    func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    let (g, h) = (gradient(0..<24), gradient(24..<48))
    let share = 8.0 / 16
    let inside = 0.05 + share * dot(g, g)
    let inserted = g.map { $0 / inside }
    let difference = zip(h, g).map { ($0 - $1 * share * dot(g, h) / inside) / 0.05 }
    let beside = difference.map { $0 / (1 + dot(h, difference) / 16) }
    let lines = try MetricsLine.read(run).filter { $0.loss != nil }
    for (line, (gradient, direction)) in zip(lines.suffix(2), [(g, inserted), (h, beside)]) {
      let norm = dot(direction, direction).squareRoot()
      // S's factor leaves at least two digits of the direction itself.
      let reported = try #require(line.directionNorm)
      #expect(abs(reported / norm - 1) < 0.05, "\(reported) for \(norm)")
      let cosine = dot(gradient, direction) / (norm * dot(gradient, gradient).squareRoot())
      let angle = try #require(line.angle)
      #expect(abs(angle - acos(min(cosine, 1)) * 180 / .pi) < 3)
    }
    let warnings = errors.split(separator: "\n").filter {
      $0.contains("is negligible against the window's gradients")
    }
    #expect(warnings.count == 1 && warnings[0].contains("--damping-relative"))
  }
}
