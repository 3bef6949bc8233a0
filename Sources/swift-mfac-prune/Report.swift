import Formats
import Pruning
import RunRecords
import TrainedModels

extension PruningReport {
  /// Creates a report without results.
  init(
    _ settings: PruneSettings, model: any TrainedModel, selection: Selection, dense: Quality?
  ) {
    let (selected, files) = (settings.selection, settings.source.files)
    var described = selected.described
    if selected.method.takesGradients {
      described["gradients"] = "\(files.gradients)"
      if case .count = files.gradients {
        described["gradient-batch"] = "\(files.gradientBatch)"
      }
      described.merge(settings.fisher.described(for: selected.method)) { $1 }
    }
    self.init(
      data: model.data, network: model.name, weights: files.weights,
      method: selected.method.rawValue, scope: selected.scope.rawValue,
      pattern: "\(selection.pattern)", settings: described,
      parameters: selection.tensors.reduce(0) { $0 + $1.range.count },
      prunable: selection.prunableCount,
      multiplyAdds: model.multiplyAddsPerWeight.map { perWeight in
        zip(model.tensors, perWeight).reduce(0) { $0 + $1.0.range.count * $1.1 }
      }, weigh: selection.weighing.rawValue, dense: dense)
  }
}

extension PruningReport.Tensor {
  init(_ tensor: WeightTensor, kept: Int) {
    self.init(
      name: tensor.name, shape: tensor.shape, isPrunable: tensor.isPrunable,
      weights: tensor.range.count, kept: kept, multiplyAddsPerWeight: tensor.multiplyAdds)
  }

  /// Describes a tensor without elements, which is not part of the weights.
  init(empty tensor: TensorContent) {
    self.init(
      name: tensor.name, shape: tensor.shape, isPrunable: false, weights: 0, kept: 0,
      multiplyAddsPerWeight: 0)
  }
}

extension PruningReport.Stage {
  init(_ stage: PrunedStage, change: Double) {
    self.init(
      sparsity: stage.sparsity, predictedChange: stage.prediction, relativeChange: change,
      condition: stage.condition, error: stage.error, chosen: stage.choice?.chosen,
      candidates: stage.choice?.candidates.map {
        Candidate(
          maskDamping: $0.mask.damping, maskGradientScale: $0.mask.gradientScale,
          damping: $0.update.damping, gradientScale: $0.update.gradientScale, step: $0.step,
          heldOutLoss: $0.loss)
      })
  }

  /// λ, η and τ of the update, as text; nil if there was only one candidate.
  var choice: String? {
    chosen.map { "  λ \($0.damping), η \($0.gradientScale), τ \($0.step)" }
  }
}

extension PruningReport.Seconds {
  mutating func add(_ stage: PrunedStage.Seconds) {
    selection += stage.selection
    removal += stage.removal
    judging += stage.judging
  }
}

extension PruningReport {
  /// Returns the lines printed at the start.
  func heading(ranks: Int) -> String {
    """
    data       \(data)
    network    \(network), d = \(parameters) parameters, \(prunable) of them prunable
    weights    \(weights)
    method     \(method), \(scope), \(pattern)
    ranks      \(ranks)

    """
  }

  /// The table's head, and its line for the weights before pruning.
  var tableHead: String {
    let quality = dense == nil ? ["predicted"] : ["loss", "accuracy"]
    return Self.row(["sparsity", "kept"] + quality + ["change", "seconds"]) + "\n"
      + Self.row(["before", "\(prunable)"] + (dense.map(Self.cells(of:)) ?? ["0"]))
  }

  func line(of result: Result) -> String {
    Self.row(
      [formatNumber(result.sparsity, digits: 4), "\(result.kept)"]
        + (result.quality.map(Self.cells(of:))
          ?? [result.predictedChange.map { formatNumber($0, digits: 6) } ?? "none"])
        + [
          formatNumber(result.stages.last!.relativeChange.value, digits: 4),
          formatNumber(result.seconds.total, digits: 2),
        ]) + (result.stages.last!.choice ?? "")
  }

  /// True if any result has a loss or a predicted change of the loss. A foreign model pruned by
  /// magnitude has neither.
  var hasCurve: Bool { results.contains { $0.quality != nil || $0.predictedChange != nil } }

  /// The largest bound on the relative error of a joint update; nil without one.
  var largestError: Double? { results.flatMap(\.stages).compactMap(\.error?.value).max() }

  /// The tables of the tensors' sparsities, and of multiply-adds and file sizes in bytes.
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
