import LinearAlgebra
import Optimizers
import Training

/// What is measured or predicted, whatever the number of ranks.
package struct Problem: Codable, Hashable {
  enum Part: String, Codable, CaseIterable {
    /// A training step, from examples to new parameters.
    case step
    /// What the optimizer does with the mean gradient.
    case optimizer
  }

  enum Scaling: String, Codable, CaseIterable {
    /// The same work, whatever the number of ranks.
    case strong
    /// The same work on each rank.
    case weak
  }

  let part: Part
  let scaling: Scaling
  /// Of a step.
  var model: String?
  /// d; in weak scaling of the optimizer, d/p.
  let parameters: Int
  let optimizer: OptimizerName
  /// m.
  let window: Int?
  let windowType: String?
  let windowDensity: Double?
  /// Of a step; in weak scaling, those of one rank.
  var batchSize: Int?
  var microBatches: Int?

  /// What of the work grows with the ranks.
  private func grown(_ count: Int, with ranks: Int, in part: Part) -> Int {
    scaling == .weak && self.part == part ? count * ranks : count
  }

  func parameters(ranks: Int) -> Int { grown(parameters, with: ranks, in: .optimizer) }
  func batchSize(ranks: Int) -> Int? { batchSize.map { grown($0, with: ranks, in: .step) } }
  func microBatches(ranks: Int) -> Int? { microBatches.map { grown($0, with: ranks, in: .step) } }

  /// Of a step that takes `seconds`, as against one that takes `baseSeconds` with `baseRanks`.
  package func efficiency(
    seconds: Double, ranks: Int, baseSeconds: Double, baseRanks: Int
  ) -> Double {
    switch scaling {
    case .strong: Double(baseRanks) * baseSeconds / (Double(ranks) * seconds)
    case .weak: baseSeconds / seconds
    }
  }

  /// For people, whatever the way of scaling.
  var title: String {
    let optimizer = "\(optimizer.rawValue)" + windowTitle
    guard let model, let batchSize, let microBatches else {
      return "Optimizer alone, d = \(parameters), \(optimizer)"
    }
    return "Step of \(model.split(separator: "/").last ?? ""), d = \(parameters), \(optimizer), "
      + "batch \(batchSize) in \(microBatches) micro-batches"
  }

  private var windowTitle: String {
    guard let window, let windowType, let windowDensity else { return "" }
    return ", m = \(window)" + (windowType == RowType.float32.rawValue ? "" : " in \(windowType)")
      + (windowDensity == 1 ? "" : ", density \(windowDensity)")
  }

  /// For people, beside the title.
  var scalingTitle: String {
    switch (scaling, part) {
    case (.strong, _): "strong"
    case (.weak, .step): "weak, that batch on each rank"
    case (.weak, .optimizer): "weak, that d on each rank"
    }
  }
}
