import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Tests groups of parameters, weights that stay zero, and damping schedules through the program.
@Suite(.serialized) struct OptimizerOptionsTests {
  private func train(
    _ directory: TemporaryDirectory, _ name: String, ranks: Int? = nil, _ arguments: [String]
  ) throws -> (run: String, output: String) {
    let run = directory.path(name)
    let outcome = try Program.train(
      ranks: ranks, ["--dataset", "digits", "--model", "mlp", "--run-directory", run] + arguments)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return (run, outcome.output)
  }

  private func tensors(_ run: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: "\(run)/model.safetensors")
    return try Dictionary(
      uniqueKeysWithValues: file.tensors.map { ($0.name, try file.values($0.name, as: Float.self)) }
    )
  }

  static let groups = """
    groups:
      - {match: "*.bias", learning-rate: 0.05, weight-decay: 0, mfac: false}
      - {match: "5.*", mfac: false}
    """

  /// Prunes a network: nine tenths of the first layer, a third of the last, and biases of zero.
  ///
  /// - Parameter other: whether the first layer keeps other weights.
  private func pruned(_ directory: TemporaryDirectory, other: Bool = false) throws -> String {
    let start = try train(directory, other ? "other-dense" : "dense", ["--steps", "1"])
    let file = try SafetensorsFile(path: "\(start.run)/model.safetensors")
    var entries: [(name: String, shape: [Int], values: [Float])] = []
    for tensor in file.tensors {
      var values = try file.values(tensor.name, as: Float.self)
      for i in values.indices {
        switch tensor.name {
        case "1.weight": if i % 10 != (other ? 4 : 3) { values[i] = i % 2 == 0 ? 0 : -0.0 }
        case "5.weight": if i % 3 == 1 { values[i] = 0 }
        case "3.weight": break
        default: values[i] = 0
        }
      }
      entries.append((tensor.name, tensor.shape, values))
    }
    let path = directory.path("pruned-\(other).safetensors")
    try write(entries[...], [], to: path)
    return path
  }

  private func write(
    _ entries: ArraySlice<(name: String, shape: [Int], values: [Float])>,
    _ done: [(name: String, shape: [Int], values: UnsafeBufferPointer<Float>)], to path: String
  ) throws {
    guard let first = entries.first else { return try SafetensorsFile.write(done, to: path) }
    try first.values.withUnsafeBufferPointer {
      try write(entries.dropFirst(), done + [(first.name, first.shape, $0)], to: path)
    }
  }

  /// Combines groups and zeros for any number of ranks: zeros stay, biases train, and the bytes are
  /// the same.
  @Test(
    "groups and zeros do not depend on the number of ranks",
    arguments: [("mfac", 0), ("sgd", 1), ("adamw", 2)])
  func groupsAndZeros(optimizer: String, index: Int) throws {
    let directory = try TemporaryDirectory()
    let weights = try pruned(directory)
    let file = try directory.write(
      "sparse: true\nweights: \(weights)\noptimizer: \(optimizer)\n"
        + (optimizer == "adamw" ? "" : "momentum: 0.5\n") + Self.groups, to: "settings.yaml")
    let arguments =
      (optimizer == "mfac" ? ["--window", "8"] : []) + [
        "--config", file, "--steps", "20", "--learning-rate", "0.01", "--clip-norm", "0.7",
        "--weight-decay", "1e-3",
      ]
    var models: Set<Data> = []
    for ranks in rankCounts(forSettings: index) {
      let run = try train(directory, "ranks-\(ranks ?? 0)", ranks: ranks, arguments).run
      models.insert(try trainedNetwork(of: run))
    }
    #expect(models.count == 1)

    let saved = try train(
      directory, "saved", ranks: 3, arguments + ["--save-every-steps", "11", "--keep-last", "9"])
    let from = ["--resume", checkpoint(saved.run, 11)]
    for ranks in [nil, 5] {
      let run = try train(directory, "from-\(ranks ?? 0)", ranks: ranks, arguments + from).run
      models.insert(try trainedNetwork(of: run))
    }
    #expect(models.count == 1)
    // The checkpoint's own masks apply, not the zeros of these weights.
    let other = try pruned(directory, other: true)
    let run = try train(
      directory, "other", ranks: 3, arguments + from + ["--weights", other]
    ).run
    models.insert(try trainedNetwork(of: run))
    #expect(models.count == 1)

    let (before, after) = (
      try SafetensorsFile(path: weights), try tensors(directory.path("ranks-0"))
    )
    for (name, values) in after {
      let start = try before.values(name, as: Float.self)
      let zeros = start.indices.filter { start[$0] == 0 }
      if name.hasSuffix("weight") {
        #expect(zeros.allSatisfy { values[$0].bitPattern == 0 }, "\(name)")
        let rest = start.indices.filter { start[$0] != 0 }
        #expect(rest.count { values[$0] == start[$0] } < rest.count / 2, "\(name)")
      } else {
        #expect(values.contains { $0 != 0 }, "\(name) did not train")
      }
    }
  }

  /// Some slices have no zero with 8 ranks; their ranks take part in every sum all the same.
  @Test("zeros on only some ranks do not change the network") func zerosOnSomeRanks() throws {
    let directory = try TemporaryDirectory()
    let arguments = [
      "--sparse", "--weights", try pruned(directory), "--steps", "8", "--window",
      "3", "--insert-every", "2", "--precondition-every", "3",
    ]
    let models = try [nil, 8].map { ranks in
      try tensors(try train(directory, "ranks-\(ranks ?? 0)", ranks: ranks, arguments).run)
    }
    #expect(models[0] == models[1])
  }

  @Test("a sparse window takes less memory") func sparseWindowMemory() throws {
    let directory = try TemporaryDirectory()
    let weights = try pruned(directory)
    func optimizer(_ name: String, _ arguments: [String]) throws -> Double {
      let output = try train(
        directory, name,
        ["--steps", "1", "--weights", weights] + arguments
      ).output
      let match = try #require(
        try /of which the optimizer ([0-9.]+) ([KM])iB/.firstMatch(in: output))
      return try #require(Double(match.1)) / (match.2 == "K" ? 1024 : 1)
    }
    // Removes 7372 of 8192 + 213 of 640 weights, of d = 17,226 columns of 500 numbers; 19·m² stays.
    let (dense, sparse) = (
      try optimizer("all", ["--window", "500", "--window-type", "float32"]),
      try optimizer("kept", ["--window", "500", "--window-type", "float32", "--sparse"])
    )
    let saved = Double(4 * 500 * (7372 + 213)) / Double(1 << 20)
    // Rows are padded to 16 numbers in each of the 216 small cells: at most 15·4·500 bytes more.
    #expect(dense - sparse <= saved && dense - sparse > saved - 6.2, "\(dense) and \(sparse) MiB")
    // Other optimizers save nothing, and store the list of these weights: 4 bytes each.
    let (all, listed) = (
      try optimizer("sgd", ["--optimizer", "sgd"]),
      try optimizer("sgd-zeros", ["--optimizer", "sgd", "--sparse"])
    )
    let list = Double(4 * (7372 + 213)) / Double(1 << 20)
    #expect(abs(listed - all - list) < 2e-3, "\(all) and \(listed) MiB")
  }

  /// A run's config.yaml holds the groups, and repeats the run.
  @Test("a run's configuration holds its groups") func storedGroups() throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write(Self.groups, to: "settings.yaml")
    let first = try train(directory, "first", ["--config", file, "--steps", "9"])
    #expect(first.output.contains("group      *.bias: learning rate 0.05, weight decay 0.0"))
    let again = try train(
      directory, "again", ["--config", "\(first.run)/config.yaml"])
    let none = try train(directory, "none", ["--steps", "9"])
    let models = try [first, again, none].map { try tensors($0.run) }
    #expect(models[0] == models[1])
    #expect(models[0]["3.weight"] != models[2]["3.weight"])
  }

  /// One group with all parameters and its own rate equals a run at that rate, with its schedule.
  @Test("a group follows the schedule of its learning rate", arguments: ["mfac", "sgd", "adamw"])
  func groupSchedule(optimizer: String) throws {
    let directory = try TemporaryDirectory()
    let settings = [
      "--optimizer", optimizer, "--steps", "12", "--warm-up-steps", "3", "--weight-decay-mode",
      "decoupled",
    ]
    let file = try directory.write(
      "groups: [{match: '[0-4]*', learning-rate: 0.02, weight-decay: 0.1}, "
        + "{match: '*', learning-rate: 0.02, weight-decay: 0.1}]", to: "settings.yaml")
    let group = try train(
      directory, "group", settings + ["--config", file, "--learning-rate", "0.005"])
    let whole = try train(
      directory, "whole", settings + ["--learning-rate", "0.02", "--weight-decay", "0.1"])
    #expect(try tensors(group.run) == tensors(whole.run))
  }

  /// λ follows its schedule; the factor's λ is at most a tenth behind.
  @Test("the damping follows its schedule", arguments: ["linear", "exponential"])
  func dampingSchedule(schedule: String) throws {
    let directory = try TemporaryDirectory()
    let run = try train(
      directory, schedule,
      [
        "--steps", "41", "--window", "16", "--no-damping-relative", "--damping", "1e-1",
        "--damping-schedule", schedule, "--damping-final", "1e-3",
      ]
    ).run
    let dampings = try MetricsLine.read(run).compactMap(\.damping)
    try #require(dampings.count == 41)
    for (step, damping) in dampings.enumerated() {
      let done = Double(step) / 40
      let wanted = schedule == "linear" ? 0.1 - 0.099 * done : 0.1 * pow(0.01, done)
      #expect(abs(log(damping / wanted)) < log(1.1) + 1e-9, "step \(step)")
    }
  }

  /// The ratio uses the loss on the step's own batch: the next step's first loss, if all batches
  /// are one. λ follows the rule.
  @Test("Levenberg–Marquardt compares losses of the same batch") func levenbergMarquardt() throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      "input: [64]\nlayers: [{linear: {in: 64, out: 10}}]", to: "model.yaml")
    let run = try train(
      directory, "run",
      [
        "--model", model, "--loss", "mean-squared-error", "--batch-size", "1432", "--order",
        "sequential", "--steps", "60", "--schedule", "constant", "--learning-rate", "0.02",
        "--damping-schedule", "levenberg-marquardt", "--damping-every", "3", "--damping", "0.1",
        "--damping-minimum", "0.02", "--window", "30", "--preset", "published",
      ]
    ).run
    let steps = try MetricsLine.read(run).filter { $0.loss != nil }
    var compared = 0
    var wanted = 0.1
    for (now, next) in zip(steps, steps.dropFirst()) {
      #expect((now.reductionRatio != nil) == (now.step % 3 == 0))
      guard let ratio = now.reductionRatio else {
        #expect(next.damping == now.damping)
        continue
      }
      compared += 1
      // The model predicts a decrease, without momentum and weight decay.
      #expect((next.loss! < now.loss!) == (ratio > 0))
      let factor = ratio > 0.75 ? 0.95 * 0.95 * 0.95 : ratio < 0.25 ? 1 / (0.95 * 0.95 * 0.95) : 1
      wanted = max(wanted * factor, 0.02)
      // Near the bound, the factor may lag behind λ by up to a tenth.
      let error = abs(log(next.damping! / wanted))
      #expect(error < (wanted > 0.02 ? 1e-12 : log(1.1)), "step \(next.step)")
    }
    #expect(compared == 19)
    #expect(Set(steps.map { $0.damping! }).count > 3)
  }

  /// Any model predicts the change in the limit of small steps. Dropout, augmentation and batch
  /// norms then require the same examples, the same dropout masks and the micro-batches' own
  /// statistics.
  @Test("Levenberg–Marquardt compares passes with the same random choices")
  func samePasses() throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      """
      input: [1, 8, 8]
      layers:
        - conv2d: {in: 1, out: 8, kernel: 3, padding: 1}
        - batch-norm
        - tanh
        - dropout: {probability: 0.4}
        - flatten
        - linear: {in: 512, out: 10}
      """, to: "model.yaml")
    for ranks in [nil, 3] {
      let run = try train(
        directory, "ranks-\(ranks ?? 0)", ranks: ranks,
        [
          "--model", model, "--augment", "standard", "--crop-padding", "1", "--steps", "12",
          "--learning-rate", "1e-4", "--schedule", "constant", "--damping-schedule",
          "levenberg-marquardt", "--damping-every", "1",
        ]
      ).run
      let ratios = try MetricsLine.read(run).compactMap(\.reductionRatio)
      #expect(ratios.count == 12)
      // Another dropout mask would change the loss by a hundred times the decrease.
      for ratio in ratios { #expect(abs(ratio - 1) < 0.05, "\(ratio)") }
    }
  }

  @Test("windows of 1 to 4096 slots train", arguments: ["1", "3", "1000", "4096"])
  func anyCapacity(window: String) throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      "input: [64]\nlayers: [{linear: {in: 64, out: 10}}]", to: "model.yaml")
    let run = try train(
      directory, "run",
      ["--model", model, "--window", window, "--steps", "30", "--batch-size", "64"]
    ).run
    let losses = try MetricsLine.read(run).compactMap(\.loss)
    #expect(losses.last! < losses.first!)
  }
}
