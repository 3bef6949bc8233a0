import MPI
import Optimizers
import Sharding

/// Checks the predicted change of the loss, and the update of λ by the actual one.
///
/// Every second step compares. Its gradient is either inserted or outside the window.
///
/// - Parameter grouped: whether some parameters are not columns of the window.
func checkDamping(
  _ d: Int, insertEvery: Int, grouped: Bool, on world: Communicator
) throws -> UInt64 {
  let (m, every) = (4, 2)
  var configuration = MFACConfiguration.published(
    window: m, damping: 0.5, momentum: 0.5, weightDecay: .coupled(0.1))
  configuration.dampingRule = DampingRule(
    .levenbergMarquardt(.init(every: every, bounds: 0.3...0.6)), isRelative: true)
  configuration.insertEvery = insertEvery
  let columns = grouped ? exampleColumns(d) : Array(0..<d)
  let staysZero = (0..<d).map { grouped && $0 >= 2 * d / 3 && $0 % 5 == 0 }
  let origin = (0..<d).map { staysZero[$0] ? 0 : start(d)[$0] }
  let mfac = Stepper(
    { partition, _ in
      configuration.make(
        OptimizerContext<Float>(
          partition: partition, groups: grouped ? exampleGroups(d) : ParameterGroups(),
          microBatches: Partition(of: 1, over: world.size), clipNorm: 1),
        on: world)
    }, origin, on: world)
  var rows: [[Double]] = []
  var relative = 0.5
  // ρ of each comparison; λ then changes by a factor 0.95² or its inverse, within bounds.
  let ratios = [1, 0.5, 0.1, 0.1, .nan, 1, 1, 1, 1, 1, 1, 1]
  var digest: UInt64 = 0
  for t in 0..<2 * ratios.count {
    let given = gradient(t, d)
    let w = mfac.parameters.all.map(Double.init)
    let length = norm((0..<d).map { staysZero[$0] ? 0 : given[$0] })
    let clipped = columns.map {
      Double(Float(min(1, 1 / (length + 1e-6))) * given[$0] + Float(0.1) * Float(w[$0]))
    }
    let isInserted = t % insertEvery == 0
    if isInserted { rows = rows.suffix(m - 1) + [clipped] }
    let (outcome, change) = try mfac.step(given, learningRate: 0.5)
    let mean = rows.reduce(0) { $0 + norm($1) * norm($1) } / Double(rows.count * m)
    let damping = outcome.damping!
    try check(
      damping / (relative * mean) < 1.1 + 1e-9 && damping / (relative * mean) > 1 / 1.1 - 1e-9,
      "damping \(damping) for \(relative) times \(mean) at step \(t)")
    try check((outcome.predictedChange != nil) == (t % every == 1), "a prediction at step \(t)")
    digest = digest &* 31 &+ damping.bitPattern
    guard let predicted = outcome.predictedChange else { continue }
    let slope = zip(given, change).reduce(0) { $0 + Double($1.0) * $1.1 }
    let local = columns.map { change[$0] }
    let curvature = (rows + (isInserted ? [] : [clipped])).reduce(
      damping * norm(local) * norm(local)
    ) { sum, row in
      let product = zip(row, local).reduce(0) { $0 + $1.0 * $1.1 }
      return sum + product * product / Double(m)
    }
    let exact = slope + curvature / 2
    // The window holds g in single precision, computed with another order of roundings.
    try check(abs(predicted / exact - 1) < 1e-4, "predicted \(predicted), exactly \(exact)")
    let ratio = ratios[t / every]
    mfac.optimizer.changePredicting!.adapt(toChange: ratio * predicted)
    guard predicted < 0 else { continue }
    if ratio > 0.75 { relative = max(0.3, relative * 0.95 * 0.95) }
    if !(ratio >= 0.25) { relative = min(0.6, relative / 0.95 / 0.95) }
  }
  try check(relative == 0.3, "\(relative) never came to its bound")
  // The loss's gradient is finite, but not with weight decay added: inserted, and outside the
  // window.
  for _ in 0..<2 {
    _ = try mfac.step(gradient(99, d), learningRate: 0.5)
    let last = mfac.parameters.pointer[d - 1]
    mfac.parameters.pointer[d - 1] = .infinity
    try check(try !mfac.step(gradient(98, d), learningRate: 0.5).outcome.wasApplied, "an infinity")
    mfac.parameters.pointer[d - 1] = last
  }
  return digest
}
