import Curvature
import LinearAlgebra
import MPI
import Optimizers
import Reference
import Sharding
import Support

/// The definition of M-FAC's adaptive step, dense and in double precision, one vector at a time.
///
///     v ← β₂v + (1 − β₂)g²,   s = √(v/(1 − β₂ᵗ)) + ε,   h = g/√s
///     ũ = τ(τI + HᵀH)⁻¹Hᵀa,   u = ũ/√s,   f = ‖Hũ‖²/m
private struct DenseAdaptive {
  let window: Int
  let metric: MFACConfiguration.AdamMetric
  let history: HistoryWeights
  var second: [Double]
  var t = 0
  /// H, from the oldest row to the newest.
  var rows: [[Double]] = []
  var root: [Double] { second.map { root($0) } }

  init(_ configuration: MFACConfiguration, count: Int) {
    (window, metric) = (configuration.window, configuration.metric!)
    history = configuration.history
    second = [Double](repeating: 0, count: count)
  }

  private func root(_ v: Double) -> Double {
    let correction = 1 - (0..<t).reduce(1.0) { power, _ in power * metric.decay }
    return ((v / correction).squareRoot() + metric.epsilon).squareRoot()
  }

  /// Follows a gradient, and returns h.
  mutating func observe(_ g: [Double]) -> [Double] {
    t += 1
    second = zip(second, g).map { metric.decay * $0 + (1 - metric.decay) * $1 * $1 }
    return zip(g, root).map { $0 / $1 }
  }

  /// aᵢ of `count` rows, from the oldest to the newest.
  private func weights(_ count: Int) -> [Double] {
    let beta = history.decay
    func power(_ age: Int) -> Double { (0..<age).reduce(1.0) { product, _ in product * beta } }
    let sum = (0..<count).reduce(0) { $0 + power($1) }
    return (0..<count).map { i in
      let average = power(count - 1 - i) / sum
      let newest = i == count - 1 ? 1.0 : 0
      return history.isNesterov ? beta * average + (1 - beta) * newest : average
    }
  }

  /// Returns ũ and f, for the rows of the window and those beside it.
  func direction(beside: [[Double]] = [], tau: Double) -> (u: [Double], change: Double) {
    let rows = rows + beside
    let d = second.count
    let matrix = DenseMatrix(rows: d, columns: d) { i, j in
      rows.reduce(i == j ? tau : 0) { $0 + $1[i] * $1[j] }
    }
    var average = [Double](repeating: 0, count: d)
    for (row, weight) in zip(rows, weights(rows.count)) {
      for i in 0..<d { average[i] += tau * weight * row[i] }
    }
    let u = matrix.solve(average)
    let change = rows.reduce(0) { sum, row in
      let product = zip(row, u).reduce(0) { $0 + $1.0 * $1.1 }
      return sum + product * product / Double(window)
    }
    return (u, change)
  }
}

/// A gradient whose scale differs between coordinates and drifts with time.
private func driftingGradient(_ t: Int, _ d: Int) -> [Double] {
  (0..<d).map { i in
    let noise: Double = draw(UInt64(700 + t), i)
    let shared: Double = draw(699, i)
    return (noise + shared) * Double(1 + i % 7) * (1 + 0.05 * Double((t * (1 + i % 3)) % 40))
  }
}

/// Compares the step with its definition: while the window fills and after it, for gradients that
/// are inserted or not, with parameters outside the window and parameters that stay zero, with a
/// bound that is active, and in steps that follow their own gradient.
func checkAdaptiveMFAC(
  _ d: Int, nesterov: Bool, insertEvery: Int = 1, preconditionEvery: Int = 1, grouped: Bool = false,
  on world: Communicator
) throws -> UInt64 {
  let m = 20
  var configuration = MFACConfiguration(steps: 1, window: m, windowForm: WindowForm())
  configuration.history = HistoryWeights(decay: nesterov ? 0.9 : 0.7, isNesterov: nesterov)
  configuration.metric!.decay = 0.9
  configuration.changeBound = .relative(0.05)
  (configuration.insertEvery, configuration.preconditionEvery) = (insertEvery, preconditionEvery)
  configuration.peakRate = 0.5
  let groups = grouped ? exampleGroups(d) : ParameterGroups()
  let columns = grouped ? exampleColumns(d) : Array(0..<d)
  let mfac = Stepper<Double>(
    {
      ShardedMFAC(
        configuration, groups: groups, measuresDirection: true, partition: $0, rank: $1)
    }, [Double](repeating: 0, count: d), on: world)
  var dense = DenseAdaptive(configuration, count: columns.count)
  var outside = DenseAdaptive(configuration, count: d)
  var (length, digest, shortened) = (0.0, UInt64(0), 0)
  var (loss, weight) = (0.0, 0.0)
  for t in 0..<2 * m + 5 {
    mfac.parameters.all.update(repeating: 0)
    let given = driftingGradient(t, d)
    let g = columns.map { given[$0] }
    let h = dense.observe(g)
    _ = outside.observe(given)
    let isInserted = t % insertEvery == 0
    if isInserted { dense.rows = dense.rows.suffix(m - 1) + [h] }
    let batchLoss = 2 + 1 / Double(t + 1)
    (loss, weight) = (0.9 * loss + 0.1 * batchLoss, 0.9 * weight + 0.1)
    let (outcome, change) = try mfac.step(
      given, learningRate: 0.25, model: QuadraticModel(loss: batchLoss))
    let damping = outcome.damping!
    let mean = dense.rows.reduce(0) { $0 + norm($1) * norm($1) } / Double(dense.rows.count * m)
    try check(
      damping / mean < 1.1 + 1e-9 && damping / mean > 1 / 1.1 - 1e-9,
      "damping \(damping), the mean squared row over m is \(mean)")
    var expected: [Double]
    var factor = 1.0
    if t % preconditionEvery == 0 {
      let (u, change) = dense.direction(
        beside: isInserted ? [] : [h], tau: Double(m) * damping)
      let filled = min(1, 4 * Double(max(1, dense.rows.count)) / Double(m))
      let limit = (0.05 * loss / weight) * (0.05 * loss / weight) * filled
      factor = min(1, (limit / (0.5 * 0.5 * change)).squareRoot())
      if factor < 1 { shortened += 1 }
      try check(
        abs(outcome.rateFactor! / factor - 1) < 1e-10,
        "a factor of \(outcome.rateFactor!) for \(factor) at step \(t)")
      expected = u.map { factor * $0 }
      length = norm(expected)
    } else {
      expected = h.map { $0 * length / norm(h) }
    }
    expected = zip(expected, dense.root).map { $0 / $1 }
    var whole = [Double](repeating: 0, count: d)
    for i in d / 3..<2 * d / 3 where grouped {
      whole[i] = factor * given[i] / (outside.root[i] * outside.root[i])
    }
    for (column, value) in zip(columns, expected) { whole[column] = value }
    let rate = { (i: Int) in 0.25 * (!grouped ? 1 : i < d / 3 ? 2 : i < 2 * d / 3 ? 0.5 : 1) }
    let error = relativeError(change, to: whole.indices.map { -rate($0) * whole[$0] })
    try check(
      error < 1e-10, "step \(t) of intervals \(insertEvery), \(preconditionEvery): \(error)")
    let seen = given.indices.map { grouped && $0 >= 2 * d / 3 && $0 % 5 == 0 ? 0 : given[$0] }
    digest = try checkDirection(outcome, whole, of: seen, mfac.digest(digest))
  }
  try check(shortened > 0, "the bound was never active")
  return digest
}

/// Compares limits of the adaptive step, for gradients of entries ±cᵢ whose metric is s = |c| + ε:
/// without damping's competition it is Adam's step with truncated momentum; with |c| = 1 and
/// without history it is the published direction times λ.
func checkAdaptiveLimits(_ d: Int, on world: Communicator) throws -> UInt64 {
  let (m, beta) = (5, 0.7)
  func signs(_ t: Int) -> [Double] { (0..<d).map { draw(UInt64(800 + t), $0) < 0.0 ? -1 : 1 } }
  var adam = MFACConfiguration(steps: 1, window: m, windowForm: WindowForm())
  adam.history = HistoryWeights(decay: beta)
  (adam.damping, adam.dampingRule, adam.changeBound) = (1e14, DampingRule(), nil)
  var plain = MFACConfiguration(steps: 1, window: m, windowForm: WindowForm())
  plain.history = HistoryWeights()
  (plain.damping, plain.dampingRule, plain.changeBound) = (1e-2, DampingRule(), nil)
  plain.metric!.epsilon = 1e-30
  func stepper(_ configuration: MFACConfiguration) -> Stepper<Double> {
    Stepper(
      { ShardedMFAC(configuration, partition: $0, rank: $1) }, [Double](repeating: 0, count: d),
      on: world)
  }
  let steppers = [
    stepper(adam), stepper(plain), stepper(.published(window: m, damping: 1e-2)),
  ]
  var past: [[Double]] = []
  var digest: UInt64 = 0
  for t in 0..<2 * m {
    let signs = signs(t)
    let scale = (0..<d).map { 0.1 * Double(1 + $0 % 5) }
    past = past.suffix(m - 1) + [zip(signs, scale).map { $0 * $1 }]
    for stepper in steppers { stepper.parameters.all.update(repeating: 0) }
    let ofAdam = try steppers[0].step(past.last!, learningRate: 1).change
    let sum = past.indices.reduce(0) { $0 + power(beta, past.count - 1 - $1) }
    let expected = (0..<d).map { i in
      past.indices.reduce(0) { $0 - power(beta, past.count - 1 - $1) / sum * past[$1][i] }
        / (scale[i] + 1e-8)
    }
    var error = relativeError(ofAdam, to: expected)
    try check(error < 1e-10, "Adam's step with truncated momentum at step \(t): \(error)")
    let changes = try steppers.dropFirst().map { try $0.step(signs, learningRate: 1).change }
    error = relativeError(changes[0], to: changes[1].map { 1e-2 * $0 })
    try check(error < 1e-10, "the published direction times λ at step \(t): \(error)")
    for stepper in steppers { digest = stepper.digest(digest) }
  }
  return digest
}

private func power(_ base: Double, _ exponent: Int) -> Double {
  (0..<exponent).reduce(1.0) { product, _ in product * base }
}

/// Compares the change of the loss that Levenberg–Marquardt predicts in the metric with its
/// definition, and a gradient whose squares overflow with a skipped step.
func checkAdaptivePrediction(_ d: Int, on world: Communicator) throws -> UInt64 {
  let m = 4
  var configuration = MFACConfiguration(steps: 1, window: m, windowForm: WindowForm())
  configuration.dampingRule = DampingRule(
    .levenbergMarquardt(.init(every: 1)), isRelative: true)
  let mfac = Stepper<Double>(
    { partition, _ in
      configuration.make(
        OptimizerContext<Double>(
          partition: partition, microBatches: Partition(of: 1, over: world.size)),
        on: world)
    }, [Double](repeating: 0, count: d), on: world)
  var dense = DenseAdaptive(configuration, count: d)
  var digest: UInt64 = 0
  for t in 0..<3 * m {
    let given = driftingGradient(t, d)
    if t == m {
      var huge = given
      huge[d / 2] = 1e200
      try check(try !mfac.step(huge, learningRate: 0.5).outcome.wasApplied, "1e200 was taken")
    }
    dense.rows = dense.rows.suffix(m - 1) + [dense.observe(given)]
    let (outcome, change) = try mfac.step(given, learningRate: 0.5)
    let slope = zip(given, change).reduce(0) { $0 + $1.0 * $1.1 }
    let scaled = zip(change, dense.root).map { $0 * $1 }
    let curvature = dense.rows.reduce(outcome.damping! * norm(scaled) * norm(scaled)) { sum, row in
      let product = zip(row, scaled).reduce(0) { $0 + $1.0 * $1.1 }
      return sum + product * product / Double(m)
    }
    let exact = slope + curvature / 2
    try check(
      abs(outcome.predictedChange! - exact) < 1e-9 * (abs(slope) + curvature),
      "predicted \(outcome.predictedChange!), exactly \(exact) at step \(t)")
    mfac.optimizer.changePredicting!.adapt(toChange: 0.5 * outcome.predictedChange!)
    digest = mfac.digest(digest)
  }
  return digest
}
