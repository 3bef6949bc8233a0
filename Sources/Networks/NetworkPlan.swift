import LinearAlgebra

/// Plans the memory that each of a network's steps reads and writes; allocates nothing.
struct NetworkPlan<Element: Scalar> {
  typealias Step = NetworkSteps<Element>.Step

  let steps: [Step]
  /// Start of each value in the activations; nil for the input and views of it.
  let places: [Int?]
  /// Start of each step's kept numbers; `choices` has that of its choices.
  let kept: [Int]
  let choices: [Int]
  /// Steps of the backward pass, in order.
  let backward: [GradientPlan<Element>.Step]
  /// Index from which the parameters' gradient is final, after each backward step.
  let finalFrom: [Int]
  let memory: NetworkMemory
  let tangents: TangentPlan<Element>

  /// Plans a network for up to `maximumBatch` examples.
  ///
  /// - Throws: `NetworkMemoryError` if the memory's size overflows.
  init(_ description: NetworkDescription, maximumBatch: Int) throws(NetworkMemoryError) {
    let network = NetworkSteps<Element>(description.graph)
    var memory = NetworkMemory(maximumBatch: maximumBatch)
    var readers = Array(repeating: 0, count: network.counts.count)
    for step in network.steps {
      readers[step.x] += 1
      if let addend = step.addend { readers[addend] += 1 }
    }
    var places: [Int?] = [nil]
    // True for a value that its only reader may overwrite.
    var isFree = [false]
    var kept: [Int] = []
    var choices: [Int] = []
    for step in network.steps {
      let canTake = isFree[step.x] && readers[step.x] == 1
      switch step.layer.outputPlace {
      case .sameAsInput:
        places.append(places[step.x])
        isFree.append(canTake)
      case .overInput where canTake:
        places.append(places[step.x])
        isFree.append(!step.layer.keepsOutput)
      case .overInput, .separate:
        places.append(try memory.addActivation(step.layer.outputCount))
        isFree.append(!step.layer.keepsOutput)
      }
      kept.append(try memory.addKept(step.layer.keptCount, once: step.layer.keptOnce))
      choices.append(try memory.addChoices(step.layer.choiceCount))
      memory.addScratch(step.layer.scratchCount)
    }
    let gradients = try GradientPlan(network, &memory)
    steps = network.steps
    self.places = places
    self.kept = kept
    self.choices = choices
    backward = gradients.steps
    finalFrom = Self.finalFrom(backward, of: steps, parameters: description.layout.count)
    self.memory = memory
    tangents = try TangentPlan(network, maximumBatch: maximumBatch)
  }

  private static func finalFrom(
    _ backward: [GradientPlan<Element>.Step], of steps: [Step], parameters: Int
  ) -> [Int] {
    var pending = steps.compactMap(\.parameters).sorted()
    // Start of the parameters behind all the pending ones.
    var start = parameters
    var done: Set<Int> = []
    return backward.map { step in
      if case .layer(let index, _, _, _, _) = step, let parameters = steps[index].parameters {
        done.insert(parameters)
      }
      while let last = pending.last, done.contains(last) {
        start = last
        pending.removeLast()
      }
      return start
    }
  }
}
