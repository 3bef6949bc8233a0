import LinearAlgebra

/// Plans the steps of the backward pass and the memory for the gradients of the values.
///
/// A gradient's memory is reused as soon as no step needs it. A value that several steps read
/// receives the sum of their gradients. An addition shares its output's gradient with both inputs.
struct GradientPlan<Element: Scalar> {
  enum Step {
    /// A layer's backward call; `dx` and `addend` are nil if no step needs them.
    case layer(step: Int, dy: Int, dx: Int?, accumulates: Bool, addend: Int?)
    /// The first place receives the sum of both.
    case add(into: Int, Int, count: Int)
    case copy(from: Int, into: Int, count: Int)
  }

  private(set) var steps: [Step] = []

  private var slots = MemorySlots()
  private var slotOfValue: [Int?]
  private let counts: [Int]

  init(_ network: NetworkSteps<Element>, _ memory: inout NetworkMemory) throws(NetworkMemoryError) {
    counts = network.counts
    slotOfValue = Array(repeating: nil, count: counts.count)
    // A value's gradient is needed if the value depends on parameters.
    let isNeeded = network.dependsOnParameters
    // The loss leaves the gradient of the outputs in slot 0.
    slotOfValue[counts.count - 1] = slots.take(counts.last!)
    for (index, step) in network.steps.enumerated().reversed() where isNeeded[step.y] {
      guard let dy = slotOfValue[step.y] else {
        preconditionFailure("no step reads value \(step.y)")
      }
      if step.layer.outputPlace == .sameAsInput || step.layer is AdditionLayer<Element> {
        for input in [step.x, step.addend].compactMap({ $0 }) where isNeeded[input] {
          share(dy, with: input)
        }
        slots.release(dy)
      } else {
        plan(index, step, dy, isNeeded)
      }
    }
    // Places are assigned in the order of the slots.
    var places: [Int] = []
    for count in slots.counts { places.append(try memory.addGradient(count)) }
    steps = steps.map { $0.placed(places) }
  }

  private mutating func plan(
    _ index: Int, _ step: NetworkSteps<Element>.Step, _ dy: Int, _ isNeeded: [Bool]
  ) {
    var dx: Int?
    var accumulates = false
    // A separate slot for dx, if the layer cannot add to the gradient that is already there.
    var apart: Int?
    var givesAwayPlace = false
    if isNeeded[step.x] {
      if let slot = slotOfValue[step.x] {
        dx = separate(slot, of: step.x)
        accumulates = step.layer.canAccumulate
        if !accumulates { apart = slots.take(counts[step.x]) }
      } else if step.layer.outputPlace == .overInput, slots.users(of: dy) == 1 {
        dx = dy
        givesAwayPlace = true
      } else {
        dx = slots.take(counts[step.x])
      }
      slotOfValue[step.x] = dx
    }
    var addend: Int?
    if let value = step.addend, isNeeded[value] {
      precondition(slotOfValue[value] == nil, "value \(value) has a gradient already")
      if slots.users(of: dy) == 1, !givesAwayPlace {
        addend = dy
        givesAwayPlace = true
      } else {
        addend = slots.take(counts[value])
      }
      slotOfValue[value] = addend
    }
    steps.append(
      .layer(step: index, dy: dy, dx: apart ?? dx, accumulates: accumulates, addend: addend))
    if let apart, let dx {
      steps.append(.add(into: dx, apart, count: counts[step.x]))
      slots.release(apart)
    }
    if !givesAwayPlace { slots.release(dy) }
  }

  /// Adds the gradient in `slot` to a value's gradient; shares the slot if the value has none yet.
  private mutating func share(_ slot: Int, with value: Int) {
    if let present = slotOfValue[value] {
      let sum = separate(present, of: value)
      steps.append(.add(into: sum, slot, count: counts[value]))
    } else {
      slotOfValue[value] = slot
      slots.share(slot)
    }
  }

  /// Returns a slot with the value's gradient that no other value uses; copies a shared gradient.
  private mutating func separate(_ slot: Int, of value: Int) -> Int {
    guard slots.users(of: slot) > 1 else { return slot }
    let copy = slots.take(counts[value])
    steps.append(.copy(from: slot, into: copy, count: counts[value]))
    slots.release(slot)
    slotOfValue[value] = copy
    return copy
  }
}

extension GradientPlan.Step {
  /// Returns the step with places in memory instead of slot numbers.
  fileprivate func placed(_ places: [Int]) -> Self {
    switch self {
    case .layer(let step, let dy, let dx, let accumulates, let addend):
      .layer(
        step: step, dy: places[dy], dx: dx.map { places[$0] }, accumulates: accumulates,
        addend: addend.map { places[$0] })
    case .add(let slot, let other, let count):
      .add(into: places[slot], places[other], count: count)
    case .copy(let from, let slot, let count):
      .copy(from: places[from], into: places[slot], count: count)
    }
  }
}
