import Glibc
import LinearAlgebra
import MPI
import Optimizers
import Reference
import Sharding
import Support

// Each optimizer's own step, on gradients made by the test, is compared with plain numbers.

/// An optimizer on this rank, and all parameters.
struct Stepper<Element: Scalar> {
  let optimizer: any ShardedOptimizer<Element>
  let parameters: Buffer<Element>
  private let slices: [Range<Int>]
  private let world: Communicator

  init(
    _ make: (CellPartition, Int) -> any ShardedOptimizer<Element>, _ start: [Element],
    on world: Communicator
  ) {
    let partition = CellPartition(Cells(parameterCount: start.count), over: world.size)
    optimizer = make(partition, world.rank)
    parameters = Buffer(count: start.count)
    _ = parameters.all.update(fromContentsOf: start)
    slices = partition.slices
    self.world = world
  }

  /// Takes a step and returns the change of the parameters.
  func step(
    _ gradient: [Element], learningRate: Double, model: QuadraticModel<Element>? = nil
  ) throws -> (outcome: StepOutcome, change: [Double]) {
    let before = parameters.all.map { Double($0) }
    let local = slices[world.rank]
    var updated = parameters[local].mutableSpan
    let clock = PhaseClock()
    var told = 0
    let outcome = try optimizer.step(
      Array(gradient[local]).span, updating: &updated, learningRate: learningRate, model: model,
      on: world,
      clock: clock
    ) { told += $0.count }
    try check(
      told == (outcome.wasApplied ? local.count : 0), "\(told) of \(local.count) told as updated")
    try world.allGather(parameters.all, slices: slices)
    return (outcome, zip(parameters.all, before).map { Double($0) - $1 })
  }

  func digest(_ digest: UInt64 = 0) -> UInt64 {
    parameters.all.reduce(digest) { $0 &* 31 &+ Double($1).bitPattern }
  }
}

func gradient(_ t: Int, _ d: Int) -> [Float] { (0..<d).map { random(UInt64(600 + t), $0) } }

func start(_ d: Int) -> [Float] { (0..<d).map { random(599, $0) } }

func norm(_ x: [some BinaryFloatingPoint]) -> Double {
  x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
}

/// Returns groups whose runs do not end at cell ends.
///
/// One third has twice the rate. One third is without M-FAC and has its own weight decay. Every
/// fifth parameter of the last third stays zero.
func exampleGroups(_ d: Int) -> ParameterGroups {
  ParameterGroups(
    [
      ParameterGroup(), ParameterGroup(rateFactor: 2),
      ParameterGroup(rateFactor: 0.5, weightDecay: 0.25, usesMFAC: false),
    ],
    runs: [
      .init(0..<d / 3, group: 1), .init(d / 3..<2 * d / 3, group: 2),
      .init(2 * d / 3..<d, group: 0),
    ],
    staysZero: (0..<d).map { $0 >= 2 * d / 3 && $0 % 5 == 0 })
}

/// Returns the parameters of these groups that are columns of the window.
func exampleColumns(_ d: Int) -> [Int] {
  (0..<d).filter { $0 < d / 3 || ($0 >= 2 * d / 3 && $0 % 5 != 0) }
}

/// Checks a step's report about its direction u and the gradient g.
func checkDirection(
  _ outcome: StepOutcome, _ u: [some BinaryFloatingPoint], of g: [some BinaryFloatingPoint],
  _ digest: UInt64
) throws -> UInt64 {
  guard let direction = outcome.direction, let angle = direction.angle else {
    throw Wrong("no direction was measured")
  }
  // u is rounded to single precision; in AdamW its averages are.
  try check(abs(direction.norm / norm(u) - 1) < 1e-5, "norm \(direction.norm) for \(norm(u))")
  let product = zip(u, g).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  let cosine = product / (norm(u) * norm(g))
  try check(
    abs(cos(angle * .pi / 180) - cosine) < 1e-6 && (0...180).contains(angle),
    "an angle of \(angle)° for a cosine of \(cosine)")
  return digest &* 31 &+ direction.norm.bitPattern &* 31 &+ angle.bitPattern
}

/// Compares groups and clipping in SGD and AdamW with PyTorch's formulas in single precision.
func checkGroups(_ d: Int, on world: Communicator) throws -> UInt64 {
  let groups = exampleGroups(d)
  var w = start(d)
  for i in 0..<d where i >= 2 * d / 3 && i % 5 == 0 { w[i] = 0 }
  let (clip, decay, momentum): (Double, Float, Float) = (0.5, 0.125, 0.75)
  let sgd = Stepper(
    {
      SGD<Float>(
        momentum: Double(momentum), weightDecay: .coupled(Double(decay)), clipNorm: clip,
        groups: groups,
        measuresDirection: true, partition: $0, rank: $1)
    }, w, on: world)
  let adamw = Stepper(
    {
      AdamW<Float>(
        weightDecay: .decoupled(Double(decay)), clipNorm: clip, groups: groups,
        measuresDirection: true,
        partition: $0, rank: $1)
    }, w, on: world)
  var v = [Float](repeating: 0, count: d)
  var digest: UInt64 = 0
  var moments = [(first: Double, second: Double)](repeating: (0, 0), count: d)
  for t in 0..<4 {
    // The second gradient is short enough without clipping.
    let given = gradient(t, d).map { t == 1 ? $0 * 1e-3 : $0 }
    // The number is wrong on one rank alone: neither parameters nor momenta may change.
    for wrong in [Float.nan, .infinity] {
      let broken = given.dropLast() + [wrong]
      for stepper in [sgd, adamw] {
        let outcome = try stepper.step(Array(broken), learningRate: 0.25).outcome
        try check(!outcome.wasApplied, "\(wrong) was taken at step \(t)")
      }
    }
    let outcome = try sgd.step(given, learningRate: 0.25).outcome
    let trained = (0..<d).map { $0 >= 2 * d / 3 && $0 % 5 == 0 ? 0 : given[$0] }
    try check(
      abs(outcome.gradientNorm / norm(trained) - 1) < 1e-12, "norm \(outcome.gradientNorm)")
    let scale = Float(min(1, clip / (norm(trained) + 1e-6)))
    try check((scale < 1) == (t != 1 && norm(trained) > clip), "scale \(scale) at step \(t)")
    var used = [Float](repeating: 0, count: d)
    for i in 0..<d where i < 2 * d / 3 || i % 5 != 0 {
      let (rate, local): (Float, Float) =
        i < d / 3 ? (0.5, decay) : i < 2 * d / 3 ? (0.125, 0.25) : (0.25, decay)
      let g = scale * given[i] + local * w[i]
      used[i] = g
      v[i] = momentum * v[i] + g
      w[i] -= rate * v[i]
    }
    digest = try checkDirection(outcome, v, of: used, digest)
    try check(sgd.parameters.all.elementsEqual(w), "SGD with groups at step \(t)")
    let (adamOutcome, change) = try adamw.step(given, learningRate: 0.25)
    let clipped = trained.map { Double(scale * $0) }
    let adam = (0..<d).map { i in
      moments[i].first = 0.9 * moments[i].first + 0.1 * clipped[i]
      moments[i].second = 0.999 * moments[i].second + 0.001 * clipped[i] * clipped[i]
      let mean = moments[i].first / (1 - pow(0.9, Double(t + 1)))
      let square = moments[i].second / (1 - pow(0.999, Double(t + 1)))
      return mean / (square.squareRoot() + 1e-8)
    }
    digest = try checkDirection(adamOutcome, adam, of: clipped, digest)
    // The first step of Adam is η·sign(g).
    guard t == 0 else { continue }
    for i in 0..<d {
      let (rate, local): (Double, Double) =
        i < d / 3 ? (0.5, 0.125) : i < 2 * d / 3 ? (0.125, 0.25) : (0.25, 0.125)
      let isZero = i >= 2 * d / 3 && i % 5 == 0
      let old = isZero ? 0 : Double(start(d)[i])
      let expected = isZero ? 0 : -rate * (given[i] > 0 ? 1 : -1) - rate * local * old
      // ε = 1e-8 relative to the clipped gradient.
      try check(abs(change[i] - expected) < 1e-3, "AdamW with groups at \(i): \(change[i])")
    }
  }
  for i in 0..<d where i >= 2 * d / 3 && i % 5 == 0 {
    try check(
      sgd.parameters.pointer[i].bitPattern == 0 && adamw.parameters.pointer[i].bitPattern == 0,
      "parameter \(i) of \(d) is zero no more")
  }
  return adamw.digest(sgd.digest(digest))
}

/// Checks M-FAC with groups: the direction of the window's columns equals a dense one of these
/// alone, and the rest equals SGD's bit for bit.
func checkMFACWithGroups(_ d: Int, on world: Communicator) throws -> UInt64 {
  let (m, damping, momentum) = (4, 1e-2, 0.5)
  let groups = exampleGroups(d)
  let staysZero = (0..<d).map { $0 >= 2 * d / 3 && $0 % 5 == 0 }
  let columns = exampleColumns(d)
  let origin = (0..<d).map { staysZero[$0] ? 0 : start(d)[$0] }
  let mfac = Stepper(
    {
      ShardedMFAC<Float>(
        MFACConfiguration.published(window: m, damping: damping, momentum: momentum),
        groups: groups,
        partition: $0, rank: $1)
    }, origin, on: world)
  let sgd = Stepper(
    {
      SGD<Float>(
        momentum: momentum, weightDecay: .coupled(0), groups: groups, partition: $0, rank: $1)
    }, origin, on: world)
  var rows = [[Double]](repeating: [], count: m)
  var velocity = [Double](repeating: 0, count: columns.count)
  var digest: UInt64 = 0
  for t in 0..<7 {
    let given = gradient(t, d)
    rows[t % m] = columns.map { Double(given[$0]) }
    let w = Array(mfac.parameters.all)
    let (outcome, change) = try mfac.step(given, learningRate: 0.25)
    _ = try sgd.step(given, learningRate: 0.25)
    let trained = (0..<d).map { i in
      staysZero[i] ? 0 : (d / 3..<2 * d / 3).contains(i) ? given[i] + 0.25 * w[i] : given[i]
    }
    try check(abs(outcome.gradientNorm / norm(trained) - 1) < 1e-12, "norm of all groups")
    let exact = exactDirection(
      rows: rows.filter { !$0.isEmpty }, slot: t % m, capacity: m, damping: damping)
    var (u, g) = (trained.map(Double.init), trained.map(Double.init))
    for (column, value) in zip(columns, exact) {
      u[column] = value
      g[column] = Double(given[column])
    }
    digest = try checkDirection(outcome, u, of: g, digest)
    velocity = zip(velocity, exact).map { 0.5 * $0 + 0.5 * $1 }
    let expected = zip(columns, velocity).map { -($0 < d / 3 ? 0.5 : 0.25) * $1 }
    let error = relativeError(columns.map { change[$0] }, to: expected)
    // Parameters and their change are rounded to single precision.
    try check(error < 1e-5, "direction of the columns at step \(t), error \(error)")
    for i in d / 3..<2 * d / 3 {
      try check(
        mfac.parameters.pointer[i] == sgd.parameters.pointer[i], "SGD's parameter \(i) at step \(t)"
      )
    }
    for i in 0..<d where staysZero[i] {
      try check(mfac.parameters.pointer[i].bitPattern == 0, "parameter \(i) is zero no more")
    }
    // A NaN among parameters outside the window is detected as well.
    var broken = given
    broken[d / 2] = .nan
    try check(try !mfac.step(broken, learningRate: 0.25).outcome.wasApplied, "a NaN was taken")
  }
  return mfac.digest(digest)
}

/// Checks gradients that are not inserted, and steps without a pass over the window.
func checkIntervals(_ d: Int, on world: Communicator) throws -> UInt64 {
  let (m, damping) = (4, 1e-2)
  var digest: UInt64 = 0
  for (insertEvery, preconditionEvery) in [(2, 1), (1, 3), (3, 2)] {
    var configuration = MFACConfiguration.published(window: m, damping: damping)
    (configuration.insertEvery, configuration.preconditionEvery) = (insertEvery, preconditionEvery)
    let zero = [Float](repeating: 0, count: d)
    var rows: [[Double]] = []
    var length = 0.0
    let mfac = Stepper(
      { ShardedMFAC<Float>(configuration, partition: $0, rank: $1) }, zero, on: world)
    for t in 0..<14 {
      mfac.parameters.all.update(repeating: 0)
      let given = gradient(t, d)
      let g = given.map(Double.init)
      let (outcome, change) = try mfac.step(given, learningRate: 1)
      let direction = change.map { -$0 }
      var expected: [Double]
      if t % insertEvery == 0 { rows = rows.suffix(m - 1) + [g] }
      if t % preconditionEvery == 0 {
        let beside = t % insertEvery == 0 ? rows : rows + [g]
        expected = exactDirection(
          rows: beside, slot: beside.count - 1, capacity: m, damping: damping)
        length = norm(expected)
      } else {
        expected = g.map { $0 * length / norm(g) }
      }
      let error = relativeError(direction, to: expected)
      // Rounded to single precision; a scale has its own error.
      try check(
        error < 5e-7, "step \(t) of intervals \(insertEvery), \(preconditionEvery): \(error)")
      digest = try checkDirection(outcome, expected, of: g, mfac.digest(digest))
    }
  }
  return digest
}
