import Formats
import Pruning
import RunRecords
import TrainedModels
import Training

/// What was pruned, and what it cost.
struct Report: Encodable {
  /// Of a network on the test part.
  struct Quality: Codable {
    /// Null where it is not finite.
    let loss: JSONNumber
    /// In [0, 1]; none where the targets are values.
    let accuracy: Double?
  }

  struct Seconds: Codable {
    /// Of stages after the first.
    var gradients = 0.0
    var selection = 0.0
    var removal = 0.0
    /// Of candidates, by held-out examples.
    var judging = 0.0
    var evaluation = 0.0
  }

  /// Of the files of a pruned network, where the rank that writes them has them.
  struct Bytes: Encodable {
    let model: Int
    let masks: Int
    /// None where it was not asked for.
    let sparse: Int?
  }

  struct Tensor: Encodable {
    let name: String
    let shape: [Int]
    let isPrunable: Bool
    let weights: Int
    let kept: Int
    /// Removed over all.
    let sparsity: Double
    /// Of an example, those of each of its weights; 0 where there is no network.
    let multiplyAddsPerWeight: Int

    init(_ tensor: WeightTensor, kept: Int) {
      name = tensor.name
      shape = tensor.shape
      isPrunable = tensor.isPrunable
      weights = tensor.range.count
      self.kept = kept
      sparsity = Double(weights - kept) / Double(max(weights, 1))
      multiplyAddsPerWeight = tensor.multiplyAdds
    }

    /// Without elements, and without a place among the weights.
    init(empty tensor: TensorContent) {
      (name, shape, isPrunable) = (tensor.name, tensor.shape, false)
      (weights, kept, sparsity, multiplyAddsPerWeight) = (0, 0, 0, 0)
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
    /// Of an example, with the weights that are kept; none where there is no network.
    let multiplyAdds: Int?
    /// None of a model that this package cannot compute.
    let quality: Quality?
    let seconds: Seconds
    let stages: [Stage]
    let tensors: [Tensor]
    let model: String
    let masks: String
    /// None where it was not asked for.
    let sparse: String?
    let bytes: Bytes

    init(
      requested: Double, tensors: [WeightTensor], kept counts: [Int], others: [TensorContent],
      stages: [Stage], hasNetwork: Bool, quality: Quality?, seconds: Seconds, files: OutputFiles
    ) {
      requestedSparsity = requested
      self.tensors =
        zip(tensors, counts).map { Tensor($0, kept: $1) }
        + others.filter { $0.type.isFloatingPoint && $0.shape.contains(0) }.map(Tensor.init(empty:))
      let prunable = self.tensors.filter(\.isPrunable)
      kept = prunable.reduce(0) { $0 + $1.kept }
      removed = prunable.reduce(0) { $0 + $1.weights } - kept
      sparsity = Double(removed) / Double(kept + removed)
      let predictions = stages.compactMap(\.predictedChange)
      predictedChange = predictions.isEmpty ? nil : predictions.reduce(0, +)
      self.stages = stages
      multiplyAdds =
        hasNetwork ? self.tensors.reduce(0) { $0 + $1.kept * $1.multiplyAddsPerWeight } : nil
      self.quality = quality
      self.seconds = seconds
      model = files.model
      masks = files.masks
      bytes = files.bytes()
      sparse = bytes.sparse == nil ? nil : files.sparse
    }
  }

  let data: String
  let network: String
  let weights: String
  let method: String
  let scope: String
  let pattern: String
  /// What else decides the outcome, by the options' names: what plots tell curves apart by.
  let settings: [String: String]
  let parameters: Int
  let prunable: Int
  /// Of an example: products of weights with what they meet; nothing else is counted. None where
  /// there is no network.
  let multiplyAdds: Int?
  let weigh: String
  let dense: Quality?
  /// Of the first stage's gradients, which all results share; none where it needs none.
  var gradientSeconds: Double?
  var results: [Result] = []

  init(
    _ settings: PruneSettings, model: any TrainedModel, selection: Selection, dense: Quality?
  ) {
    data = model.data
    network = model.name
    weights = settings.source.files.weights
    method = settings.selection.method.rawValue
    scope = settings.selection.scope.rawValue
    pattern = "\(selection.pattern)"
    let (selected, files) = (settings.selection, settings.source.files)
    var described = selected.described
    if selected.method.takesGradients {
      described["gradients"] = "\(files.gradients)"
      if case .count = files.gradients {
        described["gradient-batch"] = "\(files.gradientBatch)"
      }
      described.merge(settings.fisher.described(for: selected.method)) { $1 }
    }
    self.settings = described
    parameters = selection.tensors.reduce(0) { $0 + $1.range.count }
    prunable = selection.prunableCount
    multiplyAdds = model.multiplyAddsPerWeight.map { perWeight in
      zip(model.tensors, perWeight).reduce(0) { $0 + $1.0.range.count * $1.1 }
    }
    weigh = selection.weighing.rawValue
    self.dense = dense
  }
}

extension Report {
  /// What a stage came to.
  struct Stage: Codable {
    /// λ and η of a mask, λ, η and τ of an update by it.
    struct Candidate: Codable {
      let maskDamping: Double
      let maskGradientScale: Double
      let damping: Double
      let gradientScale: Double
      let step: Double
      let heldOutLoss: JSONNumber

      init(_ candidate: HeldOutChoice.Candidate) {
        maskDamping = candidate.mask.damping
        maskGradientScale = candidate.mask.gradientScale
        damping = candidate.update.damping
        gradientScale = candidate.update.gradientScale
        step = candidate.step
        heldOutLoss = JSONNumber(candidate.loss)
      }
    }

    let sparsity: Double
    /// Of the training loss, by the method's model; none where it makes none.
    let predictedChange: Double?
    /// ‖δ_R‖/‖w_R‖ of the weights that are kept.
    let relativeChange: JSONNumber
    /// Of S_R, where one is solved for all weights.
    let condition: JSONNumber?
    /// A bound on the relative error of the update, where one was solved for.
    let error: JSONNumber?
    /// Where there were several candidates.
    let chosen: Candidate?
    let candidates: [Candidate]?

    init(_ stage: PrunedStage, change: Double) {
      sparsity = stage.sparsity
      predictedChange = stage.prediction
      relativeChange = JSONNumber(change)
      condition = stage.condition.map(JSONNumber.init)
      error = stage.error.map(JSONNumber.init)
      candidates = stage.choice?.candidates.map(Candidate.init)
      chosen = stage.choice.map { Candidate($0.candidates[$0.chosen]) }
    }

    /// λ, η and τ of the update, for people.
    var choice: String? {
      chosen.map { "  λ \($0.damping), η \($0.gradientScale), τ \($0.step)" }
    }
  }
}

extension Report.Seconds {
  mutating func add(_ stage: PrunedStage.Seconds) {
    selection += stage.selection
    removal += stage.removal
    judging += stage.judging
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
    let quality = dense == nil ? ["predicted"] : ["loss", "accuracy"]
    return Self.row(["sparsity", "kept"] + quality + ["change", "seconds"]) + "\n"
      + Self.row(["before", "\(prunable)"] + (dense.map(Self.cells(of:)) ?? ["0"]))
  }

  func line(of result: Result) -> String {
    let seconds = result.seconds
    return Self.row(
      [formatNumber(result.sparsity, digits: 4), "\(result.kept)"]
        + (result.quality.map(Self.cells(of:))
          ?? [result.predictedChange.map { formatNumber($0, digits: 6) } ?? "none"])
        + [
          formatNumber(result.stages.last!.relativeChange.value, digits: 4),
          formatNumber(
            seconds.gradients + seconds.selection + seconds.removal + seconds.judging
              + seconds.evaluation, digits: 2),
        ]) + (result.stages.last!.choice ?? "")
  }

  /// Whether accuracy, loss or its predicted change is known of any result: magnitudes of a model
  /// that cannot be computed here say nothing of its loss.
  var hasCurve: Bool { results.contains { $0.quality != nil || $0.predictedChange != nil } }

  /// The largest bound on the relative error of an update, where some were solved for.
  var largestError: Double? { results.flatMap(\.stages).compactMap(\.error?.value).max() }

  /// The sparsity of each tensor, what an example takes, and how large the files are.
  var tables: String {
    let head = results.map { formatNumber($0.sparsity, digits: 4) }
    let tensors = results[0].tensors.enumerated().filter(\.element.isPrunable).map {
      index, tensor in
      [tensor.name, "\(tensor.weights)"]
        + results.map { formatNumber($0.tensors[index].sparsity, digits: 4) }
    }
    func line(
      _ name: String, before: String = "", _ value: (Result) -> Int?
    ) -> [String] {
      [name, before] + results.map { value($0).map { "\($0)" } ?? "" }
    }
    var costs: [[String]] = []
    if let multiplyAdds {
      costs.append(line("multiply-adds", before: "\(multiplyAdds)", \.multiplyAdds))
    }
    costs += [line("model bytes", \.bytes.model), line("masks bytes", \.bytes.masks)]
    if results[0].bytes.sparse != nil { costs.append(line("sparse bytes", \.bytes.sparse)) }
    let width = (tensors + costs).map(\.[0].count).max()!
    func table(_ lines: [[String]]) -> String {
      lines.map { line in
        line[0] + String(repeating: " ", count: width - line[0].count)
          + Self.row(Array(line.dropFirst()))
      }.joined(separator: "\n")
    }
    return
      "\n\(table([["", "weights"] + head] + tensors))\n\n"
      + "\(table([["", "before"] + head] + costs))\n"
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
