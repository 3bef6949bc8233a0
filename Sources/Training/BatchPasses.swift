import Formats
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding
import TrainedModels

/// A network's passes over the micro-batches of a step's batch: of each the same passes, with the
/// same augmentation and the same dropouts, however often they are made.
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

  /// The batch of one step.
  struct Batch {
    let passes: BatchPasses<Element>
    /// The examples of the whole batch.
    let members: ArraySlice<Int>
    let step: Int
    let epoch: Int

    /// In the whole batch.
    var predictions: Int { members.count * passes.network.positions }

    /// Makes the examples of a micro-batch the network's inputs.
    func load(_ microBatch: Int) {
      let range = Partition(of: members.count, over: passes.microBatches.items)
        .range(of: microBatch)
      let start = members.startIndex
      passes.examples.load(
        members[start + range.lowerBound..<start + range.upperBound], epoch: epoch)
    }

    /// - Parameter statistics: what batch-norms see goes there.
    func pass(
      _ microBatch: Int, statistics: UnsafeMutableBufferPointer<Element>
    ) -> TrainingPass<Element> {
      TrainingPass(
        statistics: statistics, seed: passes.seed, step: step,
        firstExample: microBatch * members.count / passes.microBatches.items)
    }

    /// The mean loss of the batch at the parameters as they are now; what batch-norms see, nothing
    /// else does. Collective.
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

    /// `vᵢᵀ G vⱼ` with the Gauss–Newton matrix G of the batch's mean loss, as a matrix [k, k].
    /// Collective.
    ///
    /// - Parameter vectors: k, each of shape [d] and the same on all ranks.
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

/// Memory for the outputs of a micro-batch and their tangents along some vectors.
struct OutputTangents<Element: Scalar> {
  /// [n, positions, outputs]
  let outputs: Buffer<Element>
  /// [k, n, positions, outputs]
  let values: Buffer<Element>
  /// What batch-norms see in such passes, which nothing uses; shape [s].
  let statistics: Buffer<Element>

  /// - Parameter k: vectors at once.
  init(of network: Network<Element>, count k: Int) {
    let count = k == 0 ? 0 : network.maximumBatch * network.positions * network.outputCount
    outputs = Buffer(count: count)
    values = Buffer(count: k * count)
    statistics = Buffer(count: network.stateCount)
  }
}
