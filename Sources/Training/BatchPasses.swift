import Formats
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding
import TrainedModels

/// Runs a network over the micro-batches of a step's batch. Repeated passes over a micro-batch use
/// the same augmentation and the same dropouts.
struct BatchPasses<Element: Scalar> {
  let network: Network<Element>
  let parameters: Buffer<Element>
  let state: Buffer<Element>
  let examples: ExampleBuffer<Element>
  let loss: Loss
  let seed: UInt64
  let tangents: OutputTangents<Element>
  let microBatches: Partition
  /// This rank's micro-batches.
  let local: Range<Int>
  let lossSum: TreeSum
  let world: Communicator

  var values: UnsafeBufferPointer<Element> { UnsafeBufferPointer(parameters.all) }
  var stateValues: UnsafeBufferPointer<Element> { UnsafeBufferPointer(state.all) }

  func batch(_ members: ArraySlice<Int>, step: Int, epoch: Int) -> Batch {
    Batch(passes: self, members: members, step: step, epoch: epoch)
  }

  /// Runs the passes of one step's batch.
  struct Batch {
    let passes: BatchPasses<Element>
    /// Indices of the examples of the whole batch.
    let members: ArraySlice<Int>
    let step: Int
    let epoch: Int

    /// Number of predictions in the whole batch.
    var predictions: Int { members.count * passes.network.positions }

    /// Loads the examples of a micro-batch as the network's inputs and targets.
    func load(_ microBatch: Int) {
      let range = Partition(of: members.count, over: passes.microBatches.items)
        .range(of: microBatch)
      let start = members.startIndex
      passes.examples.load(
        members[start + range.lowerBound..<start + range.upperBound], epoch: epoch)
    }

    /// Returns the settings of a training pass over a micro-batch.
    ///
    /// - Parameter statistics: [s]; receives the batch-norms' statistics of the micro-batch.
    func pass(
      _ microBatch: Int, statistics: UnsafeMutableBufferPointer<Element>
    ) -> TrainingPass<Element> {
      TrainingPass(
        statistics: statistics, seed: passes.seed, step: step,
        firstExample: microBatch * members.count / passes.microBatches.items)
    }

    /// Returns the mean loss of the batch at the current parameters. The batch-norms' statistics of
    /// these passes are discarded. Collective.
    func meanLoss(clock: PhaseClock) throws -> Double {
      var losses: [Double] = []
      for microBatch in passes.local {
        clock.time(.data) { load(microBatch) }
        clock.time(.gradient) {
          losses.append(
            passes.network.evaluate(
              inputs: passes.examples.inputs, targets: passes.examples.targets,
              parameters: passes.values, state: passes.stateValues, loss: passes.loss,
              training: pass(microBatch, statistics: passes.tangents.statistics.all)
            ).lossSum)
        }
      }
      return try clock.time(.loss) {
        try passes.lossSum.total(of: losses, on: passes.world) / Double(predictions)
      }
    }

    /// Returns the matrix [k, k] of `vᵢᵀ G vⱼ` with the Gauss–Newton matrix G of the batch's mean
    /// loss. Collective.
    ///
    /// - Parameter vectors: k vectors, each of shape [d] and the same on all ranks.
    func gaussNewtonForm(_ vectors: [UnsafeBufferPointer<Element>]) throws -> [Double] {
      let network = passes.network
      let count =
        members.count / passes.microBatches.items * network.positions * network.outputCount
      let outputs = passes.tangents.outputs[0..<count]
      let tangents = passes.tangents.values[0..<vectors.count * count]
      var numbers: [Double] = []
      for microBatch in passes.local {
        load(microBatch)
        network.outputTangents(
          inputs: passes.examples.inputs, parameters: passes.values, state: passes.stateValues,
          directions: vectors, outputs: outputs, tangents: tangents,
          training: pass(microBatch, statistics: passes.tangents.statistics.all))
        numbers += passes.loss.hessianForm(
          outputs: UnsafeBufferPointer(outputs), outputCount: network.outputCount,
          tangents: UnsafeBufferPointer(tangents), count: vectors.count)
      }
      return try numbers.withUnsafeMutableBufferPointer {
        try passes.lossSum.total(of: $0, width: vectors.count * vectors.count, on: passes.world)
      }.map { $0 / Double(predictions) }
    }
  }
}

/// Holds the outputs of a micro-batch of n examples, and their tangents along k vectors.
struct OutputTangents<Element: Scalar> {
  /// [n, positions, outputs]
  let outputs: Buffer<Element>
  /// [k, n, positions, outputs]
  let values: Buffer<Element>
  /// Batch-norm statistics of these passes, shape [s]; not used.
  let statistics: Buffer<Element>

  /// Allocates the memory.
  ///
  /// - Parameter k: the largest number of vectors at once.
  init(of network: Network<Element>, count k: Int) {
    let count = k == 0 ? 0 : network.maximumBatch * network.positions * network.outputCount
    outputs = Buffer(count: count)
    values = Buffer(count: k * count)
    statistics = Buffer(count: network.stateCount)
  }
}
