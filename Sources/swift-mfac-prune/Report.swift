import Datasets
import Pruning
import Training

/// What was pruned, and what it cost.
struct Report: Encodable {
  /// Of a network on the test part.
  struct Quality: Encodable {
    /// Null where it is not finite.
    let loss: JSONNumber
    /// In [0, 1]; none where the targets are values.
    let accuracy: Double?
  }

  struct Seconds: Encodable {
    /// Of stages after the first.
    var gradients = 0.0
    var selection = 0.0
    var removal = 0.0
    /// Of candidates, by held-out examples.
    var judging = 0.0
    var evaluation = 0.0
  }

  struct Tensor: Encodable {
    let name: String
    let shape: [Int]
    let isPrunable: Bool
    let weights: Int
    let kept: Int
    /// Removed over all.
    let sparsity: Double

    init(_ tensor: WeightTensor, kept: Int) {
      name = tensor.name
      shape = tensor.shape
      isPrunable = tensor.isPrunable
      weights = tensor.range.count
      self.kept = kept
      sparsity = Double(weights - kept) / Double(weights)
    }
  }

  struct Result: Encodable {
    let requestedSparsity: Double
    /// Removed over prunable weights.
    let sparsity: Double
    let removed: Int
    /// Of the prunable ones.
    let kept: Int
    /// The sum of the stages'.
    let predictedChange: Double?
    let quality: Quality
    let seconds: Seconds
    let stages: [Stage]
    let tensors: [Tensor]
    let model: String
    let masks: String

    init(
      requested: Double, tensors: [WeightTensor], kept counts: [Int], stages: [Stage],
      quality: Quality, seconds: Seconds, files: OutputFiles
    ) {
      requestedSparsity = requested
      self.tensors = zip(tensors, counts).map { Tensor($0, kept: $1) }
      let prunable = self.tensors.filter(\.isPrunable)
      kept = prunable.reduce(0) { $0 + $1.kept }
      removed = prunable.reduce(0) { $0 + $1.weights } - kept
      sparsity = Double(removed) / Double(kept + removed)
      let predictions = stages.compactMap(\.predictedChange)
      predictedChange = predictions.isEmpty ? nil : predictions.reduce(0, +)
      self.stages = stages
      self.quality = quality
      self.seconds = seconds
      model = files.model
      masks = files.masks
    }
  }

  let data: String
  let network: String
  let weights: String
  let method: String
  let scope: String
  let pattern: String
  let parameters: Int
  let prunable: Int
  let dense: Quality
  var results: [Result] = []

  init(
    _ settings: PruneSettings, dataset: Dataset, selection: Selection, dense: Quality
  ) {
    data = dataset.description
    network = settings.model.model
    weights = settings.weights.weights
    method = settings.selection.method.rawValue
    scope = settings.selection.scope.rawValue
    pattern = "\(selection.pattern)"
    parameters = selection.tensors.reduce(0) { $0 + $1.range.count }
    prunable = selection.prunableCount
    self.dense = dense
  }
}

extension Report {
  /// What is about to be done, for people.
  func heading(ranks: Int) -> String {
    """
    data       \(data)
    network    \(network), d = \(parameters) parameters, \(prunable) of them prunable
    weights    \(weights)
    method     \(method), \(scope), \(pattern)
    ranks      \(ranks)

    """
  }

  /// The table's names, and its line of the weights as they were.
  var tableHead: String {
    Self.row(["sparsity", "kept", "loss", "accuracy", "change", "seconds"]) + "\n"
      + Self.row(["before", "\(prunable)"] + Self.cells(of: dense))
  }

  func line(of result: Result) -> String {
    let seconds = result.seconds
    return Self.row(
      [formatNumber(result.sparsity, digits: 4), "\(result.kept)"] + Self.cells(of: result.quality)
        + [
          formatNumber(result.stages.last!.relativeChange.value, digits: 4),
          formatNumber(
            seconds.gradients + seconds.selection + seconds.removal + seconds.judging
              + seconds.evaluation, digits: 2),
        ]) + (result.stages.last!.choice ?? "")
  }

  /// The sparsity of each tensor.
  var tensorTable: String {
    let width = results[0].tensors.map(\.name.count).max()!
    func line(_ name: String, _ cells: [String]) -> String {
      name + String(repeating: " ", count: max(width - name.count, 0)) + Self.row(cells)
    }
    let head = line("", ["weights"] + results.map { formatNumber($0.sparsity, digits: 4) })
    let lines = results[0].tensors.enumerated().filter(\.element.isPrunable).map { index, tensor in
      line(
        tensor.name,
        ["\(tensor.weights)"]
          + results.map { formatNumber($0.tensors[index].sparsity, digits: 4) })
    }
    return "\n" + ([head] + lines).joined(separator: "\n") + "\n"
  }

  private static func cells(of quality: Quality) -> [String] {
    [
      formatNumber(quality.loss.value, digits: 4),
      quality.accuracy.map { "\(formatNumber(100 * $0, digits: 2)) %" } ?? "none",
    ]
  }

  private static func row(_ cells: [String]) -> String {
    cells.map { String(repeating: " ", count: max(11 - $0.count, 1)) + $0 }.joined()
  }
}
