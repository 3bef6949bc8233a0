import Datasets
import LinearAlgebra
import Networks

/// Memory for up to `capacity` examples; provides their inputs and targets to a network.
package final class ExampleBuffer<Element: Scalar> {
  private let examples: any Examples
  private let inputMemory: Buffer<Element>
  private let classMemory: Buffer<Int32>
  private let valueMemory: Buffer<Element>
  private var count = 0

  package init(_ examples: any Examples, capacity: Int) {
    self.examples = examples
    inputMemory = Buffer(count: capacity * examples.inputCount)
    let numbers = capacity * examples.targets.numberCount
    var isClasses = false
    if case .classes = examples.targets { isClasses = true }
    classMemory = Buffer(count: isClasses ? numbers : 0)
    valueMemory = Buffer(count: isClasses ? 0 : numbers)
  }

  /// Loads examples.
  ///
  /// - Parameter epoch: the epoch, from 0, for augmentation; nil loads the examples without
  ///   augmentation.
  package func load(_ indices: ArraySlice<Int>, epoch: Int?) {
    count = indices.count
    examples.fill(inputs: inputMemory[0..<inputs.count], with: indices, epoch: epoch)
    switch targets {
    case .classes: examples.fill(classes: classMemory[targetRange], with: indices)
    case .values: examples.fill(values: valueMemory[targetRange], with: indices)
    }
  }

  package var inputs: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(inputMemory[0..<count * examples.inputCount])
  }

  package var targets: Targets<Element> {
    switch examples.targets {
    case .classes: .classes(UnsafeBufferPointer(classMemory[targetRange]))
    case .values: .values(UnsafeBufferPointer(valueMemory[targetRange]))
    }
  }

  private var targetRange: Range<Int> { 0..<count * examples.targets.numberCount }
}
