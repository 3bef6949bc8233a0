import LinearAlgebra

/// Plans the memory for the tangents of a network's values, their derivatives along one direction.
/// A place is reused after the last step that reads its value.
struct TangentPlan<Element: Scalar> {
  /// Start of each value's tangent; nil if the value depends on no parameters: its tangent is zero.
  let places: [Int?]
  let memory: NetworkMemory

  init(_ network: NetworkSteps<Element>, maximumBatch: Int) throws(NetworkMemoryError) {
    let isNeeded = network.dependsOnParameters
    // Number of steps that still have to read each value.
    var readers = Array(repeating: 0, count: network.counts.count)
    for step in network.steps {
      for value in step.values { readers[value] += 1 }
    }
    // The network's caller reads the outputs.
    readers[network.counts.count - 1] += 1
    var slots = MemorySlots()
    var slotOfValue: [Int?] = [nil]
    for step in network.steps {
      for value in step.values { readers[value] -= 1 }
      var slot: Int?
      if isNeeded[step.y] {
        if let x = slotOfValue[step.x],
          step.layer.outputPlace == .sameAsInput
            || step.layer.outputPlace == .overInput && readers[step.x] == 0
              && slots.users(of: x) == 1
        {
          slots.share(x)
          slot = x
        } else {
          slot = slots.take(step.layer.outputCount)
        }
      }
      slotOfValue.append(slot)
      for value in Set(step.values) where readers[value] == 0 {
        if let done = slotOfValue[value] { slots.release(done) }
      }
    }
    var memory = NetworkMemory(maximumBatch: maximumBatch)
    var starts: [Int] = []
    for count in slots.counts { starts.append(try memory.addActivation(count)) }
    places = slotOfValue.map { slot in slot.map { starts[$0] } }
    self.memory = memory
  }
}
