import Foundation
import Support
import Testing

/// Tests training that removes weights, through the program.
@Suite struct SparseTrainingTests {
  private let directory = try! TemporaryDirectory()

  static let runs: [(String, [String])] = [
    (
      "SGD, magnitude",
      [
        "--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9", "--learning-rate", "0.05",
        "--weight-decay", "1e-3", "--sparsity", "0.9", "--prune-every", "4", "--prune-end", "20",
        "--cycle",
      ]
    ),
    (
      "AdamW, diagonal",
      [
        "--model", "mlp", "--optimizer", "adamw", "--weight-decay", "0.01", "--sparsity", "0.9",
        "--prune-every", "4", "--prune-end", "20", "--prune-schedule", "geometric",
        "--prune-method", "diagonal", "--prune-gradients", "16",
      ]
    ),
    (
      "M-FAC, its own Fisher matrix",
      [
        "--model", "mlp", "--window", "9", "--momentum", "0.9", "--prune-begin", "3",
        "--prune-every", "3", "--prune-schedule", "0.3,0.6,0.8", "--prune-method", "mfac",
        "--prune-gradients", "12", "--scope", "uniform",
      ]
    ),
    (
      "sparse M-FAC, blocks",
      [
        "--model", "cnn", "--window", "9", "--window-density", "0.05", "--sparsity", "0.8",
        "--prune-every", "4", "--prune-end", "16", "--prune-method", "woodfisher",
        "--prune-gradients", "12", "--prune-block-size", "300",
      ]
    ),
    (
      "SGD, random regrowth",
      [
        "--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9", "--sparsity", "0.9",
        "--regrow", "random", "--prune-every", "4",
      ]
    ),
    (
      "M-FAC, regrowth by the marginals",
      [
        "--model", "mlp", "--window", "9", "--window-type", "bfloat16", "--momentum", "0.5",
        "--sparsity", "0.9", "--regrow", "marginal", "--prune-every", "4", "--prune-gradients",
        "12", "--scope", "global", "--insert-every", "2",
      ]
    ),
    (
      "AdamW, regrowth by the gradient",
      [
        "--model", "mlp", "--optimizer", "adamw", "--sparsity", "0.9", "--regrow", "gradient",
        "--prune-every", "5", "--prune-gradients", "3",
      ]
    ),
  ]

  /// Any number of ranks, at the start and after a resume, gives the same weights and masks. Masked
  /// elements are zero in the weights and in the optimizer's state in checkpoints.
  @Test("masks do not depend on the number of ranks", arguments: runs)
  func rankInvariance(name: String, settings: [String]) throws {
    let settings = settings + ["--steps", "24", "--save-every-steps", "6", "--keep-last", "9"]
    var networks: Set<Data> = []
    func add(_ run: String) throws {
      networks.insert(
        try trainedNetwork(of: run) + Data(contentsOf: URL(filePath: "\(run)/masks.safetensors")))
    }
    for ranks in rankCounts(forSettings: Self.runs.firstIndex { $0.0 == name }!) {
      try add(directory.train("\(name)-\(ranks ?? 0)", ranks: ranks, settings).run)
    }
    let whole = directory.path("\(name)-0")
    for (step, ranks) in [(6, 3), (12, nil), (18, 5)] {
      let (run, output) = try directory.train(
        "\(name)-from-\(step)", ranks: ranks, settings + ["--resume", checkpoint(whole, step)])
      try add(run)
      #expect(!output.contains("when the checkpoint was saved"), "\(output)")
    }
    #expect(networks.count == 1, "\(name)")
    for step in [6, 12, 24] {
      let network = try SparseNetwork(checkpoint(whole, step))
      #expect(network.removed > 0 && network.removed < network.all)
      network.checkZeros()
    }
    let events = try PruningEvent.read(whole)
    #expect(events.count >= 3)
    #expect(events.last!.kept == (try SparseNetwork(whole)).kept.values.joined().count { $0 })
  }

  /// After each event exactly the formula's number is left; the masks only grow, and the smallest
  /// weights go.
  @Test("gradual pruning keeps its schedule") func gradualPruning() throws {
    let (run, output) = try directory.train(
      "gradual",
      [
        "--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9", "--learning-rate", "0.1",
        "--steps", "40", "--sparsity", "0.8765", "--prune-begin", "10", "--prune-every", "5",
        "--prune-end", "32", "--save-every-steps", "1", "--keep-last", "50",
      ])
    #expect(output.contains("pruning    to a sparsity of 0.8765, cubic, by magnitude, 5 times"))
    let events = try PruningEvent.read(run)
    #expect(events.map(\.step) == [10, 15, 20, 25, 30])
    let all = 64 * 128 + 128 * 64 + 64 * 10
    for (k, event) in events.enumerated() {
      let left = 1 - Double(k + 1) / 5
      let sparsity = 0.8765 * (1 - left * left * left)
      #expect(event.kept == all - Int((sparsity * Double(all)).rounded(.up)))
      #expect(event.sparsity == Double(all - event.kept) / Double(all))
      let before = try SparseNetwork(checkpoint(run, event.step))
      let after = try SparseNetwork(checkpoint(run, event.step + 1))
      #expect(after.all == all && after.removed == all - event.kept)
      after.checkZeros()
      var (gone, left_): ([Float], [Float]) = ([], [])
      for (name, values) in before.weights {
        guard let (old, new) = before.kept[name].map({ ($0, after.kept[name]!) }) else { continue }
        for i in values.indices where old[i] {
          if new[i] { left_.append(abs(values[i])) } else { gone.append(abs(values[i])) }
        }
        #expect(zip(old, new).allSatisfy { $0 || !$1 }, "\(name) has a weight that came back")
      }
      #expect(gone.count == event.removed && event.regrown == 0)
      #expect(gone.max()! <= left_.min()!)
    }
    #expect(try SparseNetwork(run).removed == Int((0.8765 * Double(all)).rounded(.up)))
  }

  /// Each tensor regains the number of weights that it loses. The smallest are removed; those
  /// chosen by the criterion begin at zero.
  @Test("regrowth keeps the sparsity") func regrowth() throws {
    var steps: [String: Double] = [:]
    for criterion in ["random", "gradient", "marginal"] {
      let (run, _) = try directory.train(
        criterion,
        [
          "--model", "mlp", "--optimizer", "sgd", "--learning-rate", "0.1", "--steps", "40",
          "--sparsity", "0.8", "--regrow", criterion, "--prune-begin", "16", "--prune-every", "8",
          "--prune-end", "32", "--regrow-share", "0.25", "--save-every-steps", "1", "--keep-last",
          "50",
        ] + (criterion == "random" ? [] : ["--prune-gradients", "32"]))
      let events = try PruningEvent.read(run)
      #expect(events.map(\.step) == [16, 24, 32])
      var moved: [Float] = []
      for (k, event) in events.enumerated() {
        let share = 0.25 / 2 * (1 + cos(Double.pi * Double(k) / 3))
        let before = try SparseNetwork(checkpoint(run, event.step))
        let after = try SparseNetwork(checkpoint(run, event.step + 1))
        #expect(before.removed == Int((0.8 * Double(before.all)).rounded(.up)))
        #expect(after.removed == before.removed && event.removed == event.regrown)
        after.checkZeros()
        var regrown = 0
        for (name, values) in before.weights {
          guard let (old, new) = before.kept[name].map({ ($0, after.kept[name]!) }) else {
            continue
          }
          let kept = old.count { $0 }
          let dropped = old.indices.filter { old[$0] && !new[$0] }
          let added = old.indices.filter { !old[$0] && new[$0] }
          #expect(dropped.count == Int((share * Double(kept)).rounded()), "\(name)")
          #expect(added.count == dropped.count)
          let stays = old.indices.filter { old[$0] && new[$0] }
          #expect(
            dropped.map { abs(values[$0]) }.max()! <= stays.map { abs(values[$0]) }.min()!)
          let later = after.weights.first { $0.name == name }!.values
          moved += added.map { abs(later[$0]) }
          regrown += added.count
        }
        #expect(regrown == event.regrown)
      }
      steps[criterion] = moved.reduce(0) { $0 + Double($1) } / Double(moved.count)
    }
    // Their first step is along their gradient.
    #expect(steps["gradient"]! > 2 * steps["random"]!, "\(steps)")
    #expect(steps["marginal"]! > 1.2 * steps["random"]!, "\(steps)")
  }
}
