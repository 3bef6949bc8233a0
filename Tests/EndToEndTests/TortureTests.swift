import Foundation
import Mutations
import RunRecords
import Support
import Testing

/// Kills, stops and disturbs runs at random moments and resumes each with another number of ranks:
/// each must end as if undisturbed.
///
/// `make torture` sets TORTURE_KILLS kills and the seed TORTURE_SEED; `make test` has a few kills.
@Suite(.serialized) struct TortureTests {
  static let kills = number("TORTURE_KILLS") ?? 5
  static let seed = number("TORTURE_SEED") ?? 1

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  /// The settings of a training, the steps between saves, and the number of kept checkpoints.
  struct Training {
    let name: String
    let settings: [String]
    let every: Int
    let keep: Int

    static let all = [
      Training(
        name: "mlp, M-FAC with momentum, damping moved",
        settings: [
          "--model", "mlp", "--window", "12", "--momentum", "0.9", "--weight-decay", "1e-3",
          "--damping-schedule", "levenberg-marquardt", "--damping-relative", "--damping", "0.1",
          "--damping-every", "2", "--insert-every", "3", "--precondition-every", "2",
          "--clip-norm", "0.5",
        ], every: 2, keep: 2),
      Training(
        name: "cnn, sparse bfloat16",
        settings: [
          "--model", "cnn", "--window", "19", "--window-density", "0.05", "--window-type",
          "bfloat16", "--momentum", "0.5",
        ], every: 1, keep: 3),
      Training(
        name: "batch-norm and dropout, bfloat16",
        settings: [
          "--model", "MODEL", "--window", "9", "--window-type", "bfloat16", "--augment", "standard",
          "--crop-padding", "1", "--schedule", "cosine", "--warm-up-steps", "4",
        ], every: 2, keep: 1),
      Training(
        name: "mlp, SGD",
        settings: ["--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9"], every: 1, keep: 2),
      Training(
        name: "mlp, AdamW",
        settings: ["--model", "mlp", "--optimizer", "adamw", "--weight-decay", "0.01"], every: 3,
        keep: 1),
      Training(
        name: "cnn, K-FAC",
        settings: [
          "--model", "cnn", "--optimizer", "kfac", "--momentum", "0.9", "--damping", "0.1",
          "--factor-every", "3", "--inverse-every", "5", "--kfac-grad-workers", "0.5",
        ], every: 2, keep: 2),
    ]
    static let model = """
      input: [1, 8, 8]
      layers:
        - conv2d: {in: 1, out: 7, kernel: 3, padding: 1}
        - batch-norm
        - relu
        - max-pool2d: {kernel: 2}
        - flatten
        - dropout: {probability: 0.2}
        - linear: {in: 112, out: 10}
      """
  }

  @Test("disturbed runs end like undisturbed ones") func disturbedRuns() throws {
    print("torture: \(Self.kills) kills, seed \(Self.seed)")
    let start = Date()
    var score = Score()
    for (index, training) in Training.all.enumerated() {
      let last = Self.kills * (index + 1) / Training.all.count
      let torture = try Torture(training, draws: Draws(seed: UInt64(Self.seed), stream: index))
      while score.kills < last { try torture.round(&score, until: last) }
    }
    #expect(score.kills == Self.kills)
    // Not all kills came before the first checkpoint, and some came during a save.
    #expect(score.resumes >= Self.kills / 4 && score.killsDuringSaves >= Self.kills / 10)
    print("torture: \(score), \(Int(Date().timeIntervalSince(start))) s")
  }

  /// The number of disturbances.
  struct Score: CustomStringConvertible {
    var kills = 0
    /// Kills that left a checkpoint's temporary directory.
    var killsDuringSaves = 0
    var signals = 0
    var resumes = 0
    var rounds = 0

    var description: String {
      "\(kills) kills, \(killsDuringSaves) of them during a save, \(signals) signals, "
        + "\(resumes) resumes, \(rounds) runs ended alike"
    }
  }
}

/// Disturbs a training again and again.
final class Torture {
  private let directory: TemporaryDirectory
  private let training: TortureTests.Training
  private let settings: [String]
  private var draws: Draws
  /// The result of an undisturbed run.
  private let expected: Result

  private struct Result: Equatable {
    let model: Data
    let metrics: [[Double?]]

    init(of run: String) throws {
      model = try trainedNetwork(of: run)
      metrics = try MetricsLine.read(run).map {
        [
          Double($0.step), $0.epoch.map(Double.init), $0.loss, $0.gradientNorm, $0.damping,
          $0.testLoss,
        ]
      }
    }
  }

  private static let steps = 48

  init(_ training: TortureTests.Training, draws: Draws) throws {
    directory = try TemporaryDirectory()
    self.training = training
    self.draws = draws
    let model = try directory.write(TortureTests.Training.model, to: "model.yaml")
    settings =
      ["--dataset", "digits", "--batch-size", "48", "--steps", "\(Self.steps)"]
      + training.settings.map { $0 == "MODEL" ? model : $0 }
    let whole = directory.path("whole")
    let outcome = try Program.train(settings + ["--run-directory", whole])
    try #require(outcome.status == 0, "\(training.name): \(outcome.errors)")
    expected = try Result(of: whole)
  }

  /// Trains from start to end, disturbed until `kills` kills have happened.
  func round(_ score: inout TortureTests.Score, until kills: Int) throws {
    let run = directory.path("run")
    try? FileManager.default.removeItem(atPath: run)
    var history: [String] = []
    while true {
      let ranks = [1, 2, 3, 5, 8].pick(&draws)!
      let process = Program.process(
        ranks: ranks, graceSeconds: 1,
        settings + [
          "--run-directory", run, "--resume", "auto", "--save-every-steps", "\(training.every)",
          "--keep-last", "\(training.keep)",
        ])
      let disturber = score.kills < kills ? Disturber(process, run, ranks, &draws) : nil
      disturber?.start()
      let outcome = try Program.run(process)
      let done = disturber?.finish()
      history.append("\(ranks) ranks: \(done.map { "\($0)" } ?? "undisturbed"), \(outcome.status)")
      let story = "\(training.name), seed \(TortureTests.seed): \(history)\n\(outcome.errors)"
      try #require(areGone(ranks, of: run), "\(story)")
      let left = Disturber.hiddenNames(in: run)
      if outcome.output.contains("resume     at step") { score.resumes += 1 }
      switch done {
      case .killed?:
        score.kills += 1
        score.killsDuringSaves += left.isEmpty ? 0 : 1
      case .signalled(let expected)?:
        score.signals += 1
        // The signal may come after the last step.
        #expect(expected.union([0]).contains(outcome.status), "\(story)")
      case nil: try #require(outcome.status == 0, "\(story)")
      }
      if outcome.status == 0 { break }
    }
    score.rounds += 1
    let story = "\(training.name), seed \(TortureTests.seed): \(history)"
    let result = try Result(of: run)
    #expect(result.model == expected.model, "another network: \(story)")
    #expect(result.metrics == expected.metrics, "other metrics: \(story)")
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints")
    #expect(names.count <= training.keep, "\(names): \(story)")
    #expect(names.allSatisfy { $0.wholeMatch(of: /step-[0-9]{8}/) != nil }, "\(names): \(story)")
  }

  /// Waits for the ranks: they notice by themselves, after a moment, that their launcher has ended.
  private func areGone(_ ranks: Int, of run: String) -> Bool {
    let deadline = Date() + 30
    while (0..<ranks).contains(where: { Program.rank($0, runningWith: run) != nil }) {
      guard Date() < deadline else { return false }
      usleep(20_000)
    }
    return true
  }
}
