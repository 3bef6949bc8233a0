import Datasets
import LinearAlgebra
import Networks

/// Memory for up to `capacity` examples, and what a network takes of them: inputs and targets.
final class ExampleBuffer {
  private let examples: any Examples
  private let inputMemory: Buffer<Float>
  private let classMemory: Buffer<Int32>
  private let valueMemory: Buffer<Float>
  private var count = 0

  init(_ examples: any Examples, capacity: Int) {
    self.examples = examples
    inputMemory = Buffer(count: capacity * examples.inputCount)
    switch examples.targets {
    case .classes(_, let positions):
      classMemory = Buffer(count: capacity * positions)
      valueMemory = Buffer(count: 0)
    case .values(let count):
      classMemory = Buffer(count: 0)
      valueMemory = Buffer(count: capacity * count)
    }
  }

  /// Bytes of a buffer.
  static func bytes(_ examples: any Examples, capacity: Int) -> Int {
    let targets =
      switch examples.targets {
      case .classes(_, let positions): positions
      case .values(let count): count
      }
    return 4 * capacity * (examples.inputCount + targets)
  }

  /// - Parameter epoch: from 0, for augmentation; nil for the examples as they are.
  func load(_ indices: ArraySlice<Int>, epoch: Int?) {
    count = indices.count
    examples.fill(inputs: inputMemory[0..<inputs.count], with: indices, epoch: epoch)
    switch examples.targets {
    case .classes(_, let positions):
      examples.fill(classes: classMemory[0..<count * positions], with: indices)
    case .values(let size):
      examples.fill(values: valueMemory[0..<count * size], with: indices)
    }
  }

  var inputs: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(inputMemory[0..<count * examples.inputCount])
  }

  var targets: Targets<Float> {
    switch examples.targets {
    case .classes(_, let positions):
      .classes(UnsafeBufferPointer(classMemory[0..<count * positions]))
    case .values(let size): .values(UnsafeBufferPointer(valueMemory[0..<count * size]))
    }
  }
}
