import Glibc
import MPI
import Optimizers
import Sharding
import Training

/// Checks a loss function defined by the test: Lᵢ(w) = ½‖w − cᵢ‖². SGD's steps have a closed form,
/// and M-FAC's damping follows the actual change of the mean.
func checkMinimizer(_ d: Int, microBatches: Int, on world: Communicator) throws -> UInt64 {
  let origin = start(d)
  func centre(_ i: Int, _ j: Int) -> Float { random(UInt64(700 + i), j) }
  func meanLoss(_ w: [Float]) -> Double {
    (0..<microBatches).reduce(0) { sum, i in
      sum + w.indices.reduce(0) { $0 + pow(Double(w[$1]) - Double(centre(i, $1)), 2) / 2 }
    } / Double(microBatches)
  }
  let leaves = Partition(of: microBatches, over: world.size).range(of: world.rank)
  var digest: UInt64 = 0

  /// Takes a step; the last micro-batch's gradient may have a wrong number.
  func take(
    _ minimizer: LossMinimizer<Float>, rate: Double, wrong: Float? = nil
  ) throws -> MinimizerStep {
    let before = minimizer.parameters
    var asked: [Int] = []
    let step = try minimizer.step(learningRate: rate) { i, w, gradient in
      asked.append(i)
      var loss = 0.0
      for j in w.indices {
        try check(gradient[j] == 0, "a gradient begins with \(gradient[j])")
        gradient[j] = w[j] - centre(i, j)
        loss += Double(gradient[j]) * Double(gradient[j]) / 2
      }
      if let wrong, i == microBatches - 1 { gradient[d - 1] = wrong }
      return loss
    }
    let twice = step.outcome.predictedChange != nil
    try check(asked == Array(leaves) + (twice ? Array(leaves) : []), "asked for \(asked)")
    // Differences are rounded to single precision.
    try check(abs(step.loss / meanLoss(before) - 1) < 1e-6, "a mean loss of \(step.loss)")
    try check(
      step.outcome.wasApplied == (wrong == nil), "a step with \(wrong, default: "nothing") wrong")
    if wrong != nil { try check(minimizer.parameters == before, "it has moved the parameters") }
    for value in minimizer.parameters { digest = digest &* 31 &+ UInt64(value.bitPattern) }
    digest = digest &* 31 &+ step.loss.bitPattern
    return step
  }

  let sgd = try LossMinimizer<Float>(
    startingAt: origin, optimizer: SGDConfiguration(),
    microBatches: microBatches, on: world)
  for wrong: Float? in [nil, .infinity, nil] { _ = try take(sgd, rate: 0.25, wrong: wrong) }
  for j in 0..<d {
    let mean = (0..<microBatches).reduce(0) { $0 + Double(centre($1, j)) } / Double(microBatches)
    // Two steps of a quarter of the way, for numbers up to 1 in single precision.
    let exact = mean + 0.75 * 0.75 * (Double(origin[j]) - mean)
    try check(abs(Double(sgd.parameters[j]) - exact) < 1e-6, "SGD at \(sgd.parameters[j])")
  }

  var configuration = MFACConfiguration.published(window: 4, damping: 0.5)
  configuration.dampingRule = DampingRule(.levenbergMarquardt(.init(every: 2)))
  let mfac = try LossMinimizer<Float>(
    startingAt: origin, optimizer: configuration, microBatches: microBatches, on: world)
  var damping = 0.5
  for t in 0..<16 {
    let before = meanLoss(mfac.parameters)
    let step = try take(mfac, rate: 0.02, wrong: t == 5 ? .nan : nil)
    guard let predicted = step.outcome.predictedChange else { continue }
    // The window's factor takes a new λ at a difference of a tenth.
    let ratio = step.outcome.damping! / damping
    try check(ratio < 1.1 + 1e-9 && ratio > 1 / 1.1 - 1e-9, "damping \(ratio) of what is expected")
    let rho = (meanLoss(mfac.parameters) - before) / predicted
    if rho > 0.75 { damping *= 0.95 * 0.95 }
    if rho < 0.25 { damping /= 0.95 * 0.95 }
  }
  try check(damping != 0.5, "the damping has never moved")
  return digest
}
