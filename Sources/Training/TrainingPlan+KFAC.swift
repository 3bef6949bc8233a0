import Curvature
import LinearAlgebra
import Networks
import Optimizers
import TrainedModels

extension TrainingPlan {
  /// Returns the layers with Kronecker factors, if the optimizer uses them. A layer is left out if
  /// its weight belongs to a group without M-FAC. If only its bias does, the weight keeps its
  /// factors.
  func curvatureLayers() throws -> [FactoredLayer] {
    guard let settings = optimizer.layerStatistics?.statistics else { return [] }
    let excluded = try ruleOfTensor().enumerated().filter { _, rule in
      rule.map { !rules[$0].usesMFAC } ?? false
    }
    return settings.layers(of: network, excluding: Set(excluded.map(\.offset))).map { layer in
      var layer = layer
      layer.scales = layer.scales(loss, of: network, examples: batches.batchSize)
      return layer
    }
  }

  /// Returns a summary of how many layers have factors or samples and which tensors have none;
  /// empty for other optimizers.
  func kfacSummary() throws -> String {
    guard let configuration = optimizer.layerStatistics else { return "" }
    let layers = try curvatureLayers()
    let hasSamples = configuration.sampleOperator != nil
    let blocks = layers.filter(\.isNormalization)
    let biases = blocks.count(where: \.isBias)
    let kinds = [
      blocks.count > biases ? "\(blocks.count - biases) normalisation layers" : nil,
      biases > 0 ? "\(biases) bias\(biases > 1 ? "es" : "")" : nil,
    ].compactMap { $0 }.joined(separator: " and ")
    let outside = network.layout.tensors.filter { tensor in
      !layers.contains { $0.parameters.contains(tensor.range.lowerBound) }
    }
    return "\n\(hasSamples ? "samples" : "factors")    of \(layers.count - blocks.count) layers"
      + (blocks.isEmpty ? "" : ", and \(hasSamples ? "factors " : "")of \(kinds)")
      + (outside.isEmpty
        ? "" : "; first-order: \(outside.map(\.name).joined(separator: ", "))")
  }
}
