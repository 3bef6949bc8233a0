import LinearAlgebra
import Optimizers

/// Describes the work that a benchmark measures or predicts, at any number of ranks.
package struct Problem: Codable, Hashable {
  package enum Part: String, Codable, CaseIterable {
    /// A training step, from examples to new parameters.
    case step
    /// The optimizer's work on the mean gradient.
    case optimizer
  }

  package enum Scaling: String, Codable, CaseIterable {
    /// The same total work at any number of ranks.
    case strong
    /// The same work on each rank.
    case weak
  }

  package let part: Part
  package let scaling: Scaling
  /// The network of a training step; nil for the optimizer alone.
  package var model: String?
  /// d; in weak scaling of the optimizer, d/p.
  package let parameters: Int
  package let optimizer: OptimizerName
  /// m.
  package let window: Int?
  package let windowType: String?
  package let windowDensity: Double?
  /// Examples in a batch; in weak scaling, per rank.
  package var batchSize: Int?
  package var microBatches: Int?
  /// K-FAC: steps between two computations of the factors; `inverseEvery`, steps between two
  /// inversions; `workerShare`, the share of the ranks that work on a layer. Nil for other
  /// optimizers.
  package var factorEvery: Int?
  package var inverseEvery: Int?
  package var workerShare: Double?
  /// K-FAC's solver; nil if it uses Cholesky factors.
  package var solver: String?
  /// Other options of the optimizer that differ from their defaults, by name.
  package var settings: [String: String]?

  /// The optimizer options that have a field of their own, and are not in `settings`.
  package static let optimizerOptions = [
    "window", "window-type", "window-density", "factor-every", "inverse-every",
    "kfac-grad-workers", "solver", "cg-operator", "cg-tolerance", "cg-iterations", "cg-warm-start",
  ]

  package init(
    part: Part, scaling: Scaling, parameters: Int, optimizer: OptimizerName, window: Int?,
    windowType: String?, windowDensity: Double?
  ) {
    self.part = part
    self.scaling = scaling
    self.parameters = parameters
    self.optimizer = optimizer
    self.window = window
    self.windowType = windowType
    self.windowDensity = windowDensity
  }

  /// Returns `count` at a number of ranks; in weak scaling it grows in proportion to them.
  private func grown(_ count: Int, with ranks: Int, in part: Part) -> Int {
    scaling == .weak && self.part == part ? count * ranks : count
  }

  package func parameters(ranks: Int) -> Int { grown(parameters, with: ranks, in: .optimizer) }
  package func batchSize(ranks: Int) -> Int? { batchSize.map { grown($0, with: ranks, in: .step) } }
  package func microBatches(ranks: Int) -> Int? {
    microBatches.map { grown($0, with: ranks, in: .step) }
  }

  /// Returns the efficiency of a step of t = `seconds` on p ranks relative to one of t₀ =
  /// `baseSeconds` on p₀: p₀t₀/(pt) in strong scaling, t₀/t in weak scaling.
  package func efficiency(
    seconds: Double, ranks: Int, baseSeconds: Double, baseRanks: Int
  ) -> Double {
    switch scaling {
    case .strong: Double(baseRanks) * baseSeconds / (Double(ranks) * seconds)
    case .weak: baseSeconds / seconds
    }
  }

  /// Human-readable description of the problem, without its scaling.
  package var title: String {
    let others = (settings ?? [:]).sorted { $0.key < $1.key }.map { ", \($0.key) \($0.value)" }
    let optimizer = "\(optimizer.rawValue)" + windowTitle + others.joined()
    guard let model, let batchSize, let microBatches else {
      return "Optimizer alone, d = \(parameters), \(optimizer)"
    }
    return "Step of \(model.split(separator: "/").last ?? ""), d = \(parameters), \(optimizer), "
      + "batch \(batchSize) in \(microBatches) micro-batches"
  }

  private var windowTitle: String {
    if let factorEvery, let inverseEvery, let workerShare {
      return " every \(factorEvery), \(inverseEvery), grad workers \(workerShare)"
        + (solver.map { ", \($0)" } ?? "")
    }
    guard let window, let windowType, let windowDensity else { return "" }
    return ", m = \(window)" + (windowType == RowType.float32.rawValue ? "" : " in \(windowType)")
      + (windowDensity == 1 ? "" : ", density \(windowDensity)")
  }

  /// Human-readable description of the scaling, to follow the title.
  package var scalingTitle: String {
    switch (scaling, part) {
    case (.strong, _): "strong"
    case (.weak, .step): "weak, that batch on each rank"
    case (.weak, .optimizer): "weak, that d on each rank"
    }
  }
}
