/// The file `report.json` that `swift-mfac-prune` writes; records what was pruned and what it cost.
package struct PruningReport: Codable {
  /// Records the loss and accuracy of a network on the test part of its data.
  package struct Quality: Codable {
    package let loss: JSONNumber
    /// Share of correct predictions; nil if the targets are values.
    package let accuracy: Double?

    package init(loss: Double, accuracy: Double?) {
      self.loss = JSONNumber(loss)
      self.accuracy = accuracy
    }
  }

  /// Counts the seconds spent on a pruned network, without the gradients of the first stage.
  package struct Seconds: Codable {
    package var gradients = 0.0
    package var selection = 0.0
    package var removal = 0.0
    /// Evaluation of candidates on held-out examples.
    package var judging = 0.0
    package var evaluation = 0.0

    package var total: Double { gradients + selection + removal + judging + evaluation }

    package init() {}

    /// Reads parts that an earlier version did not write as 0.
    package init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      func seconds(_ key: CodingKeys) throws -> Double {
        try container.decodeIfPresent(Double.self, forKey: key) ?? 0
      }
      (gradients, selection) = (try seconds(.gradients), try seconds(.selection))
      (removal, judging) = (try seconds(.removal), try seconds(.judging))
      evaluation = try seconds(.evaluation)
    }
  }

  /// Records the sizes of a pruned network's files.
  package struct Bytes: Codable {
    package let model: Int
    package let masks: Int
    /// Nil if no sparse file was requested.
    package let sparse: Int?

    package init(model: Int, masks: Int, sparse: Int?) {
      (self.model, self.masks, self.sparse) = (model, masks, sparse)
    }
  }

  package struct Tensor: Codable {
    package let name: String
    package let shape: [Int]
    package let isPrunable: Bool
    package let weights: Int
    package let kept: Int
    /// Share of its weights that are removed.
    package let sparsity: Double
    /// Multiply-adds per weight and example; 0 if this package cannot compute the network.
    package let multiplyAddsPerWeight: Int

    package init(
      name: String, shape: [Int], isPrunable: Bool, weights: Int, kept: Int,
      multiplyAddsPerWeight: Int
    ) {
      (self.name, self.shape, self.isPrunable) = (name, shape, isPrunable)
      (self.weights, self.kept) = (weights, kept)
      sparsity = Double(weights - kept) / Double(max(weights, 1))
      self.multiplyAddsPerWeight = multiplyAddsPerWeight
    }
  }

  /// Records the outcome of a stage.
  package struct Stage: Codable {
    /// A combination of settings that was tried: λ and η for the mask; λ, η and τ for the update.
    package struct Candidate: Codable, Equatable {
      package let maskDamping: Double
      package let maskGradientScale: Double
      package let damping: Double
      package let gradientScale: Double
      package let step: Double
      package let heldOutLoss: JSONNumber

      package init(
        maskDamping: Double, maskGradientScale: Double, damping: Double, gradientScale: Double,
        step: Double, heldOutLoss: Double
      ) {
        (self.maskDamping, self.maskGradientScale) = (maskDamping, maskGradientScale)
        (self.damping, self.gradientScale, self.step) = (damping, gradientScale, step)
        self.heldOutLoss = JSONNumber(heldOutLoss)
      }
    }

    package let sparsity: Double
    /// Change of the training loss that the method's model predicts; nil if the method has no
    /// model.
    package let predictedChange: Double?
    /// ‖δ_R‖/‖w_R‖ over the weights that are kept.
    package let relativeChange: JSONNumber
    /// Condition number of S_R; nil unless one system was solved for all weights.
    package let condition: JSONNumber?
    /// Bound on the relative error of the update; nil if no system was solved for it.
    package let error: JSONNumber?
    /// The best candidate; nil if there was only one.
    package let chosen: Candidate?
    package let candidates: [Candidate]?

    package init(
      sparsity: Double, predictedChange: Double?, relativeChange: Double, condition: Double?,
      error: Double?, chosen: Int?, candidates: [Candidate]?
    ) {
      (self.sparsity, self.predictedChange) = (sparsity, predictedChange)
      self.relativeChange = JSONNumber(relativeChange)
      self.condition = condition.map(JSONNumber.init)
      self.error = error.map(JSONNumber.init)
      self.chosen = chosen.map { candidates![$0] }
      self.candidates = candidates
    }
  }

  /// Describes the network that was pruned to one of the requested sparsities.
  package struct Result: Codable {
    package let requestedSparsity: Double
    /// Share of the prunable weights that are removed.
    package let sparsity: Double
    package let removed: Int
    /// Prunable weights that remain.
    package let kept: Int
    /// Sum over the stages.
    package let predictedChange: Double?
    /// Multiply-adds per example with the kept weights; nil if this package cannot compute the
    /// network.
    package let multiplyAdds: Int?
    /// Nil if this package cannot compute the network.
    package let quality: Quality?
    package let seconds: Seconds
    package let stages: [Stage]
    package let tensors: [Tensor]
    /// Paths of the files: this and the next two fields.
    package let model: String
    package let masks: String
    package let sparse: String?
    package let bytes: Bytes

    package init(
      requestedSparsity: Double, tensors: [Tensor], stages: [Stage], hasNetwork: Bool,
      quality: Quality?, seconds: Seconds, model: String, masks: String, sparse: String,
      bytes: Bytes
    ) {
      self.requestedSparsity = requestedSparsity
      (self.tensors, self.stages) = (tensors, stages)
      let prunable = tensors.filter(\.isPrunable)
      kept = prunable.reduce(0) { $0 + $1.kept }
      removed = prunable.reduce(0) { $0 + $1.weights } - kept
      sparsity = Double(removed) / Double(kept + removed)
      let predictions = stages.compactMap(\.predictedChange)
      predictedChange = predictions.isEmpty ? nil : predictions.reduce(0, +)
      multiplyAdds =
        hasNetwork ? tensors.reduce(0) { $0 + $1.kept * $1.multiplyAddsPerWeight } : nil
      (self.quality, self.seconds) = (quality, seconds)
      (self.model, self.masks, self.bytes) = (model, masks, bytes)
      self.sparse = bytes.sparse.map { _ in sparse }
    }
  }

  package let data: String
  package let network: String
  package let weights: String
  package let method: String
  package let scope: String
  package let pattern: String
  /// Other options that affect the outcome, by name; plots distinguish curves by them.
  package let settings: [String: String]
  package let parameters: Int
  package let prunable: Int
  /// Multiply-adds per example before pruning; nil if this package cannot compute the network.
  package let multiplyAdds: Int?
  package let weigh: String
  /// Quality before pruning; nil if this package cannot compute the network.
  package let dense: Quality?
  /// Seconds for the first stage's gradients, which all results share; nil if the method needs
  /// none.
  package var gradientSeconds: Double?
  package var results: [Result] = []

  package init(
    data: String, network: String, weights: String, method: String, scope: String, pattern: String,
    settings: [String: String], parameters: Int, prunable: Int, multiplyAdds: Int?, weigh: String,
    dense: Quality?
  ) {
    (self.data, self.network, self.weights) = (data, network, weights)
    (self.method, self.scope, self.pattern) = (method, scope, pattern)
    (self.settings, self.parameters, self.prunable) = (settings, parameters, prunable)
    (self.multiplyAdds, self.weigh, self.dense) = (multiplyAdds, weigh, dense)
  }
}

extension KeyedDecodingContainer {
  /// Reads a result's stages; the first version of the program wrote none.
  func decode(
    _ type: [PruningReport.Stage].Type, forKey key: Key
  ) throws -> [PruningReport.Stage] {
    try decodeIfPresent(type, forKey: key) ?? []
  }
}
