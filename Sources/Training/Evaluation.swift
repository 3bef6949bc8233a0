import Datasets
import LinearAlgebra
import MPI
import Networks
import Sharding

/// Mean loss and accuracy over a set of examples.
public struct Evaluation: Sendable, Equatable {
  public let loss: Double
  /// In [0, 1].
  public let accuracy: Double

  /// Evaluates a network; the examples are shared out in fixed chunks. Collective.
  init(
    of network: Network<Float>, parameters: Buffer<Float>, on examples: any Examples, loss: Loss,
    over world: Communicator
  ) throws {
    let size = network.maximumBatch
    let chunks = Partition(of: (examples.count + size - 1) / size, over: world.size)
    let inputs = Buffer<Float>(count: size * network.inputCount)
    let labels = Buffer<Int32>(count: size)
    var lossSums: [Double] = []
    var correct: [Double] = []
    for chunk in chunks.range(of: world.rank) {
      let range = chunk * size..<min((chunk + 1) * size, examples.count)
      let (inputs, labels) = (inputs[0..<range.count * network.inputCount], labels[0..<range.count])
      let indices = Array(range)[...]
      examples.fill(inputs: inputs, with: indices, epoch: nil)
      examples.fill(classes: labels, with: indices)
      let result = network.evaluate(
        inputs: UnsafeBufferPointer(inputs), labels: UnsafeBufferPointer(labels),
        parameters: UnsafeBufferPointer(parameters.all), loss: loss)
      lossSums.append(result.lossSum)
      correct.append(Double(result.correct))
    }
    self.loss = try world.sum(of: lossSums, over: chunks) / Double(examples.count)
    accuracy = try world.sum(of: correct, over: chunks) / Double(examples.count)
  }
}
