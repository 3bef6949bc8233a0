import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding
import TrainedModels

extension TrainingPlan {
  /// Returns the memory that the run will hold on this rank.
  ///
  /// - Parameter hasMasks: true if weights are removed.
  func memory<Element: Scalar>(
    of scalar: Element.Type,
    groups: ParameterGroups, hasMasks: Bool, partition: CellPartition, on world: Communicator
  ) throws -> MemoryPlan {
    let count = try MemoryCount.of {
      try RunParts<Element>(self, groups: groups, partition: partition, on: world)
    }
    // One buffer of examples is for training, and one for evaluation.
    let examples = MemoryCount.of {
      ExampleBuffer<Element>(dataset.training, capacity: microBatchSize)
    }.total
    var memory = MemoryPlan(
      optimizer: count[.state] + spectrumBytes, vectors: count[.vectors] + examples,
      activations: count[.activations])
    if hasMasks { memory += try pruningMemory(of: scalar, groups, partition, on: world) }
    return memory
  }

  /// Returns what to type for a run that does not fit in memory, computed from the memory that it
  /// would then take; nil if only more memory helps.
  ///
  /// - Parameter fits: returns true if a plan fits.
  func memoryRemedy(fits: (TrainingPlan) throws -> Bool) throws -> Diagnostic? {
    func remedy(_ configuration: some MemorySavingConfiguration) throws -> Diagnostic? {
      try configuration.memoryRemedy { smaller in
        var plan = self
        plan.optimizer = smaller
        return try fits(plan)
      }
    }
    if let text = try optimizer.memorySaving.flatMap({ try remedy($0) }) { return text }
    var plan = self
    while plan.batches.batchSize % (2 * plan.microBatches) == 0 {
      plan.microBatches *= 2
      guard try !fits(plan) else {
        return "with \(setting: "micro-batches", plan.microBatches) it fits"
      }
    }
    return nil
  }

  /// Returns the context for which the optimizer is created.
  func optimizerContext<Element: Scalar>(
    _ groups: ParameterGroups, _ partition: CellPartition
  ) throws -> OptimizerContext<Element> {
    OptimizerContext(
      partition: partition, groups: groups, tensors: network.parameterTensors,
      layers: try curvatureLayers(),
      microBatches: Partition(of: microBatches, over: partition.ranks),
      clipNorm: clipNorm, measuresDirection: measuresDirection)
  }
}

extension NetworkDescription {
  /// The tensors in the roles that optimizers distinguish. The head is the last layer with a
  /// matrix. A tensor outside the layers with factors is an embedding of positions if it has two
  /// dimensions.
  package var parameterTensors: [ParameterTensor] {
    let layers = kroneckerLayers
    return layout.tensors.enumerated().map { index, tensor in
      let layer = layers.first { $0.weight == index }
      let role: ParameterTensor.Role =
        if let layer {
          if layer.isEmbedding {
            .embedding
          } else if layer == layers.last {
            .head
          } else {
            .matrix(rows: layer.outputs, columns: layer.inputs)
          }
        } else { tensor.shape.count > 1 ? .embedding : .vector }
      return ParameterTensor(name: tensor.name, range: tensor.range, role: role)
    }
  }
}
