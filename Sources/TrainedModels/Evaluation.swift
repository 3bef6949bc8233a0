import Datasets
import LinearAlgebra
import MPI
import Networks
import Sharding

/// Holds the mean loss and accuracy of a network on a set of examples.
public struct Evaluation: Sendable, Equatable {
  /// Mean over the predictions at all positions of all examples.
  public let loss: Double
  /// Share of correct predictions, in [0, 1]; nil if the targets are values.
  public let accuracy: Double?

  /// Evaluates a network. The ranks share the examples in fixed chunks. Collective.
  package init<Element: Scalar>(
    of network: Network<Element>, parameters: Buffer<Element>, state: Buffer<Element>,
    on examples: any Examples, loss: Loss, over world: Communicator
  ) throws {
    let size = network.maximumBatch
    let chunks = Partition(of: (examples.count + size - 1) / size, over: world.size)
    let buffer = ExampleBuffer<Element>(examples, capacity: size)
    var lossSums: [Double] = []
    var correct: [Double] = []
    for chunk in chunks.range(of: world.rank) {
      buffer.load(
        Array(chunk * size..<min((chunk + 1) * size, examples.count))[...], epoch: nil)
      let result = network.evaluate(
        inputs: buffer.inputs, targets: buffer.targets,
        parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
        loss: loss)
      lossSums.append(result.lossSum)
      correct.append(Double(result.correct))
    }
    let predictions = Double(examples.count * network.positions)
    self.loss = try world.sum(of: lossSums, over: chunks) / predictions
    let share = try world.sum(of: correct, over: chunks) / predictions
    if case .classes = examples.targets { accuracy = share } else { accuracy = nil }
  }
}
