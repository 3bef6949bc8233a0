import Curvature
import Glibc
import LinearAlgebra
import MPI
import Optimizers
import Reference
import Sharding
import Support

/// Checks K-FAC's steps from its direction, with groups of parameters: steps of a fixed length,
/// clipped, and those of the quadratic model.
func checkKFACSteps(on world: Communicator, _ digests: inout Digests) throws {
  digests["kfac-steps-coupled"] = try checkFixedSteps(.coupled(0.125), on: world)
  digests["kfac-steps-decoupled"] = try checkFixedSteps(.decoupled(0.125), on: world)
  digests["kfac-steps-adaptive"] = try checkAdaptiveSteps(on: world)
}

/// Two layers with the groups of `exampleGroups`, the first at twice the rate, the other with fixed
/// zeros. Each step gets new factors from one batch.
private struct KFACProblem {
  let d = 90
  let layers: [FactoredLayer]
  let groups: ParameterGroups
  let stepper: Stepper<Float>
  private let kfac: any LayerStatisticsConsumer<Float>
  private let world: Communicator

  init(_ configuration: KFACConfiguration, on world: Communicator) throws {
    layers = [
      FactoredLayer(
        name: "first", weight: 0, parameters: 3..<23,
        shape: KroneckerShape(
          inputs: 4, hasBias: true, outputs: 4, positions: 1, axis: .expand), exampleInputs: 4),
      FactoredLayer(
        name: "second", weight: 1, parameters: 64..<84,
        shape: KroneckerShape(
          inputs: 5, hasBias: false, outputs: 4, positions: 1, axis: .expand), exampleInputs: 5),
    ]
    groups = exampleGroups(d)
    var configuration = configuration
    (configuration.solver, configuration.dampingForm) = (.factors(.eigen), .exact)
    (configuration.factorEvery, configuration.inverseEvery) = (1, 1)
    configuration.factorDecay = 0
    let optimizer = try configuration.make(
      OptimizerContext<Float>(
        partition: CellPartition(Cells(parameterCount: d), over: world.size), groups: groups,
        layers: layers, microBatches: Partition(of: 1, over: world.size)),
      on: world)
    kfac = optimizer.layerStatistics!
    self.world = world
    let stays = (0..<d).map { Self.staysZero($0, of: 90) }
    stepper = Stepper(
      { _, _ in optimizer }, zip(start(d), stays).map { $1 ? 0 : $0 }, on: world)
  }

  static func staysZero(_ i: Int, of d: Int) -> Bool { i >= 2 * d / 3 && i % 5 == 0 }

  /// Returns a parameter's share of the learning rate and its rate of weight decay, from its group.
  func rates(_ i: Int, _ decay: Double) -> (rate: Double, decay: Double) {
    i < d / 3 ? (2, decay) : i < 2 * d / 3 ? (0.5, 0.25) : (1, decay)
  }

  var hasCurvature: [Bool] {
    (0..<d).map { i in layers.contains { $0.parameters.contains(i) } }
  }

  /// Gives the optimizer the factors of step t and returns the direction u for g.
  func direction(_ t: Int, _ g: [Double], damping: Double) throws -> [Double] {
    var packed: [[[Double]]] = []
    for (index, layer) in layers.enumerated() {
      packed.append(
        [layer.shape.a, layer.shape.b].enumerated().map { factor, shape in
          let rows = (0..<shape.order + 2).map { row in
            (0..<shape.order).map {
              2 * Double(random(UInt64(900 + 10 * t + 2 * index + factor), row * 20 + $0))
            }
          }
          return (0..<shape.order).flatMap { i in
            (0...i).map { j in Double(Float(rows.reduce(0) { $0 + $1[i] * $1[j] })) }
          }
        })
    }
    for microBatch in Partition(of: 1, over: world.size).range(of: world.rank) {
      let vector = try kfac.beginFactors(microBatch: microBatch, on: world)
      for (index, both) in packed.enumerated() {
        for (range, numbers) in zip(kfac.factorRanges[index], both) {
          for (i, number) in zip(range, numbers) { vector[i] = Float(number) }
        }
      }
      try kfac.endFactors(on: world)
    }
    try kfac.finishFactors(on: world)
    var u = g
    for (layer, both) in zip(layers, packed) {
      let inverse = denseCurvature(layer, both, .exact, damping: damping)
      u.replaceSubrange(layer.parameters, with: inverse.solve(Array(g[layer.parameters])))
    }
    return u.indices.map { Self.staysZero($0, of: d) ? 0 : u[$0] }
  }
}

/// Checks v ← μv + (1 − μ)νu for layers, v ← μv + νg for other parameters, and w ← w − ηv. The clip
/// keeps ν² η² Σ u·g at or below κ.
private func checkFixedSteps(
  _ weightDecay: WeightDecay, on world: Communicator
) throws -> UInt64 {
  let (damping, momentum, rate, bound) = (0.25, 0.75, 0.5, 0.05)
  var configuration = KFACConfiguration(
    damping: damping, momentum: momentum, weightDecay: weightDecay)
  configuration.changeBound = .absolute(bound)
  let problem = try KFACProblem(configuration, on: world)
  let isCoupled = if case .coupled = weightDecay { true } else { false }
  var v = [Double](repeating: 0, count: problem.d)
  var clipped: [Bool] = []
  for t in 0..<4 {
    // The second and the last gradient are short enough without clipping.
    let given = gradient(t, problem.d).map { t % 2 == 1 ? $0 * 0.01 : $0 }
    // A group's own weight decay would make it long again.
    if t % 2 == 1 { problem.stepper.parameters.all.update(repeating: 0) }
    let w = problem.stepper.parameters.all.map(Double.init)
    let g = w.indices.map { i in
      KFACProblem.staysZero(i, of: problem.d)
        ? 0 : Double(given[i]) + (isCoupled ? problem.rates(i, 0.125).decay * w[i] : 0)
    }
    let u = try problem.direction(t, g, damping: damping)
    let product = w.indices.filter { problem.hasCurvature[$0] }.reduce(0) { $0 + u[$1] * g[$1] }
    let scale = min(1, (bound / (rate * rate * product)).squareRoot())
    clipped.append(scale < 1)
    let expected = w.indices.map { i in
      let (share, decay) = problem.rates(i, 0.125)
      v[i] = momentum * v[i] + (problem.hasCurvature[i] ? 1 - momentum : 1) * scale * u[i]
      return -rate * share * (v[i] + (isCoupled ? 0 : decay * w[i]))
    }
    let (outcome, change) = try problem.stepper.step(given, learningRate: rate)
    try check(outcome.wasApplied, "step \(t) of K-FAC")
    let error = relativeError(change, to: expected)
    // Factors, directions and parameters have single precision.
    try check(error < 1e-5, "a step of K-FAC, \(weightDecay): \(error) at \(t)")
  }
  try check(clipped == [true, false, true, false], "clipped: \(clipped)")
  return problem.stepper.digest()
}

/// Checks adaptive steps: the minimum of the quadratic model, its prediction, and the resulting λ.
///
/// The model is `½ δᵀ(G + λI + Ω)δ + gᵀδ` over the directions Du and δ₀. Ω holds the rates of
/// weight decay and D the learning rates of each group.
private func checkAdaptiveSteps(on world: Communicator) throws -> UInt64 {
  var damping = 0.25
  var configuration = KFACConfiguration(damping: damping, weightDecay: .coupled(0.125))
  configuration.isAdaptive = true
  configuration.dampingRule = DampingRule(.levenbergMarquardt(.init(every: 2)))
  let problem = try KFACProblem(configuration, on: world)
  let d = problem.d
  let rows = (0..<7).map { row in (0..<d).map { 2 * Double(random(UInt64(800 + row), $0)) } }
  func form(_ x: [Double], _ y: [Double]) -> Double {
    rows.reduce(0) { $0 + inner($1, x) * inner($1, y) }
  }
  let quadratic = QuadraticModel<Float>(loss: 1) { vectors in
    let vectors = vectors.map { $0.map(Double.init) }
    return vectors.flatMap { x in vectors.map { form(x, $0) } }
  }
  var last = [Double](repeating: 0, count: d)
  var digest: UInt64 = 0
  var moves = 0
  // ρ of each comparison.
  let ratios = [1, 0.5, 0.1, .nan]
  for t in 0..<2 * ratios.count {
    let given = gradient(t, d)
    let w = problem.stepper.parameters.all.map(Double.init)
    let decays = w.indices.map { problem.rates($0, 0.125).decay }
    let g = w.indices.map { i in
      KFACProblem.staysZero(i, of: d) ? 0 : Double(given[i]) + decays[i] * w[i]
    }
    let u = try problem.direction(t, g, damping: damping)
    let basis = [zip(u.indices, u).map { problem.rates($0, 0).rate * $1 }] + (t > 0 ? [last] : [])
    let model = DenseMatrix(rows: basis.count, columns: basis.count) { i, j in
      form(basis[i], basis[j])
        + inner(basis[i], zip(basis[j], decays).map { $0 * ($1 + damping) })
    }
    let weights = model.solve(basis.map { -inner($0, g) })
    let expected = w.indices.map { i in
      zip(weights, basis).reduce(0) { $0 + $1.0 * $1.1[i] }
    }
    let (outcome, change) = try problem.stepper.step(
      given, learningRate: .nan, model: quadratic)
    let error = relativeError(change, to: expected)
    // Factors, directions and parameters have single precision.
    try check(error < 1e-5, "an adaptive step of K-FAC: \(error) at \(t)")
    try check(outcome.damping == damping, "damping \(outcome.damping!), not \(damping), at \(t)")
    try check((outcome.predictedChange != nil) == (t % 2 == 1), "a prediction at step \(t)")
    last = change
    digest = problem.stepper.digest(digest)
    guard let predicted = outcome.predictedChange else { continue }
    let exact =
      inner(given.map(Double.init), change)
      + (form(change, change) + damping * inner(change, change)) / 2
    try check(abs(predicted / exact - 1) < 1e-4, "predicted \(predicted), exactly \(exact)")
    let ratio = ratios[t / 2]
    problem.stepper.optimizer.changePredicting!.adapt(toChange: ratio * predicted)
    guard predicted < 0 else { continue }
    moves += 1
    if ratio > 0.75 { damping *= pow(0.95, 2) }
    if !(ratio >= 0.25) { damping /= pow(0.95, 2) }
  }
  try check(moves > 1, "a decrease is predicted \(moves) times")
  return digest
}

private func inner(_ x: [Double], _ y: [Double]) -> Double {
  zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
}
