import Datasets
import Glibc
import MPI
import Networks
import Optimizers
import ProgramOptions
import Sharding
import Training

/// Runs a job that must fail: one rank, the last one, causes a fault.
///
/// - Parameters:
///   - fault: the kind of fault.
///   - name: the place, for faults that may be in several places.
func run(_ fault: String, _ name: String?) -> Never {
  let isChecked = fault == "part"
  Launcher.run(watchdogSeconds: 3, checksCollectives: isChecked) { world in
    let isWrong = world.rank == world.size - 1
    switch fault {
    case "trap":
      // The other ranks are in a collective, and would wait endlessly.
      if isWrong { fatalError("told to") }
      _ = try world.allGather(1)
    case "throw":
      try failWithinAnExchange(isWrong, on: world)
    case "throw-in", "trap-in":
      let phase = Phase(rawValue: name!)!
      PhaseClock.fault = {
        guard isWrong, world.status.step == 2, $0 == phase else { return nil }
        if fault == "trap-in" { fatalError("told to") }
        return Wrong("told to")
      }
      try trainTwoSteps(on: world)
    case "part", "part-unseen":
      try part(from: name!, isWrong, on: world)
    default:
      throw Wrong("there is no fault '\(fault)'")
    }
  }
}

/// The last rank fails while the others' blocks are in transit to it.
private func failWithinAnExchange(_ isWrong: Bool, on world: Communicator) throws {
  let partition = CellPartition(Cells(parameterCount: 100_000), over: world.size)
  let reduction = ReduceScatter<Float>(
    of: Partition(of: world.size, over: world.size), to: partition.slices, on: world)
  _ = try reduction.begin(microBatch: world.rank, on: world)
  try check(!isWrong, "told to")
  try reduction.advance(to: 0, on: world)
  _ = try reduction.finish(on: world)
}

/// Trains with everything that a step has, and an evaluation at the end.
private func trainTwoSteps(on world: Communicator) throws {
  let dataset = try DatasetSource.digits.load()
  var plan = TrainingPlan(
    dataset: dataset,
    network: try NetworkDescription.builtIn("mlp", input: dataset.inputShape, outputs: 10)!,
    optimizer: MFACConfiguration.published(window: 4, damping: 1e-2),
    schedule: LearningRateSchedule(base: 1e-2, shape: .constant, totalSteps: 2),
    batches: try BatchOrder(
      exampleCount: dataset.training.count, batchSize: 32, order: .shuffled, seed: 0),
    runDirectory: "")
  plan.keepsFiles = false
  plan.progress = .none
  try Trainer<Float>(plan, on: world).run()
}

/// Sums 3 numbers of each rank over the ranks and then gathers one; the last rank deviates.
private func part(from name: String, _ isWrong: Bool, on world: Communicator) throws {
  let ranks = Partition(of: world.size, over: world.size)
  let partials = UnsafeMutableBufferPointer<Double>.allocate(capacity: 4)
  defer { partials.deallocate() }
  partials.initialize(repeating: 1)
  func sum(_ width: Int) throws {
    _ = try TreeSum(ranks, rank: world.rank).total(
      of: UnsafeMutableBufferPointer(rebasing: partials[..<width]), width: width, on: world)
  }
  // Identical collectives pass.
  try sum(2)
  switch isWrong ? name : "" {
  case "size": try sum(4)
  case "operation": try world.agree {}
  case "order": _ = try world.allGather(1)
  case "skip": break
  case "computation": sleep(60)
  default: try sum(3)
  }
  if isWrong, name == "order" { try sum(3) } else { _ = try world.allGather(1) }
}
