import LinearAlgebra
import Optimizers

/// The work that is measured or predicted, at any number of ranks.
package struct Problem: Codable, Hashable {
  package enum Part: String, Codable, CaseIterable {
    /// A training step, from examples to new parameters.
    case step
    /// The optimizer's work on the mean gradient.
    case optimizer
  }

  package enum Scaling: String, Codable, CaseIterable {
    /// The same work at any number of ranks.
    case strong
    /// The same work on each rank.
    case weak
  }

  package let part: Part
  package let scaling: Scaling
  /// The network of a step.
  package var model: String?
  /// d; in weak scaling of the optimizer, d/p.
  package let parameters: Int
  package let optimizer: OptimizerName
  /// m.
  package let window: Int?
  package let windowType: String?
  package let windowDensity: Double?
  /// The examples of a step; in weak scaling, those of one rank.
  package var batchSize: Int?
  package var microBatches: Int?
  /// K-FAC computes factors and inverses every so many steps, and a share of the ranks works on a
  /// layer; nil for other optimizers.
  package var factorEvery: Int?
  package var inverseEvery: Int?
  package var workerShare: Double?
  /// K-FAC's solver; nil if it uses Cholesky factors.
  package var solver: String?
  /// The optimizer's other options that differ from their defaults, by name.
  package var settings: [String: String]?

  /// The options that have fields of their own.
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

  /// The count at a number of ranks: in weak scaling it grows with them.
  private func grown(_ count: Int, with ranks: Int, in part: Part) -> Int {
    scaling == .weak && self.part == part ? count * ranks : count
  }

  package func parameters(ranks: Int) -> Int { grown(parameters, with: ranks, in: .optimizer) }
  package func batchSize(ranks: Int) -> Int? { batchSize.map { grown($0, with: ranks, in: .step) } }
  package func microBatches(ranks: Int) -> Int? {
    microBatches.map { grown($0, with: ranks, in: .step) }
  }

  /// The efficiency of a step against one that takes `baseSeconds` with `baseRanks`.
  package func efficiency(
    seconds: Double, ranks: Int, baseSeconds: Double, baseRanks: Int
  ) -> Double {
    switch scaling {
    case .strong: Double(baseRanks) * baseSeconds / (Double(ranks) * seconds)
    case .weak: baseSeconds / seconds
    }
  }

  /// The problem for people, without its scaling.
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

  /// The scaling for people, beside the title.
  package var scalingTitle: String {
    switch (scaling, part) {
    case (.strong, _): "strong"
    case (.weak, .step): "weak, that batch on each rank"
    case (.weak, .optimizer): "weak, that d on each rank"
    }
  }
}
