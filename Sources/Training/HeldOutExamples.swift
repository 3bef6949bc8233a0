import Datasets
import LinearAlgebra
import MPI
import Networks
import Pruning

/// Judges weights by the network's loss on training examples that no gradient is of.
struct HeldOutExamples: HeldOutJudge {
  private let examples: ExampleSubset
  private let network: Network<Float>
  private let loss: Loss
  /// [s], and all ranks' weights [d].
  private let (state, parameters): (Buffer<Float>, Buffer<Float>)
  private let slices: [Range<Int>]

  init(
    _ examples: ExampleSubset, network: Network<Float>, loss: Loss, state: Buffer<Float>,
    parameterCount: Int, slices: [Range<Int>]
  ) {
    self.examples = examples
    self.network = network
    self.loss = loss
    self.state = state
    parameters = Buffer(count: parameterCount)
    self.slices = slices
  }

  func loss(of weights: UnsafeBufferPointer<Float>, on world: Communicator) throws -> Double {
    _ = parameters[slices[world.rank]].update(fromContentsOf: weights)
    try world.allGather(parameters.all, slices: slices)
    return try Evaluation(
      of: network, parameters: parameters, state: state, on: examples, loss: loss, over: world
    ).loss
  }
}
