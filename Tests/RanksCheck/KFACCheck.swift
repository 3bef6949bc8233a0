import Curvature
import LinearAlgebra
import MPI
import Optimizers
import Reference
import Sharding
import Support

/// Checks solvers, forms of damping, shares of ranks for each layer, and where averages are stored.
func checkKFAC(on world: Communicator, _ digests: inout Digests) throws {
  for (solver, form, workerShare, keepsAllFactors) in [
    (.eigen, .exact, 1, false), (.eigen, .factored, 0.5, true),
    (.cholesky, .factored, 0.001, false), (.cholesky, .same, 0.3, true),
  ] as [(FactorSolver, KroneckerDamping, Double, Bool)] {
    digests["kfac-\(solver)-\(form)"] = try checkKFAC(
      solver, form, workerShare: workerShare, keepsAllFactors: keepsAllFactors, on: world)
  }
}

/// Compares steps of K-FAC with dense inverses, on factors and gradients made by the check.
///
/// Covers layers of all kinds, parameters between them, and averages over three batches; the first
/// and the last batch's are inverted.
private func checkKFAC(
  _ solver: FactorSolver, _ form: KroneckerDamping, workerShare: Double, keepsAllFactors: Bool,
  on world: Communicator
) throws -> UInt64 {
  let shapes = [
    KroneckerShape(inputs: 20, hasBias: true, outputs: 7, positions: 2, axis: .expand),
    KroneckerShape(blockOf: 10, isDiagonal: true),
    KroneckerShape(inputs: 12, hasBias: false, outputs: 9, positions: 3, axis: .reduce),
    KroneckerShape(
      inputs: 7, hasBias: false, outputs: 5, positions: 2, axis: .expand, isTable: true),
    KroneckerShape(blockOf: 6, isDiagonal: false),
  ]
  // Five parameters between any two layers belong to no layer.
  let (layers, d) = kfacLayers(of: shapes, apart: 5)
  var configuration = KFACConfiguration(damping: 0.05)
  (configuration.solver, configuration.dampingForm) = (.factors(solver), form)
  (configuration.factorEvery, configuration.inverseEvery) = (2, 4)
  configuration.factorDecay = 0.7
  configuration.dampingRule = DampingRule(.linear(final: 0.25, steps: 5))
  (configuration.workerShare, configuration.keepsAllFactors) = (workerShare, keepsAllFactors)
  let microBatches = 9
  let kfac = try KFAC<Float>(
    configuration, layers: layers, microBatches: Partition(of: microBatches, over: world.size),
    partition: CellPartition(Cells(parameterCount: d), over: world.size), on: world)
  let stepper = Stepper({ _, _ in kfac }, [Float](repeating: 0, count: d), on: world)

  /// Returns a micro-batch's packed factor, from more vectors in total than its order.
  func packed(_ shape: FactorShape, _ stream: UInt64) -> [Float] {
    let rows = 1 + shape.order / 2
    let v = (0..<rows * shape.order).map { random(stream, $0) }
    switch shape.form {
    case .unit: return []
    case .diagonal:
      return (0..<shape.order).map { i in
        (0..<rows).reduce(0) { $0 + v[$1 * shape.order + i] * v[$1 * shape.order + i] }
      }
    case .dense:
      return (0..<shape.order).flatMap { i in
        (0...i).map { j in
          (0..<rows).reduce(0) { $0 + v[$1 * shape.order + i] * v[$1 * shape.order + j] }
        }
      }
    }
  }
  func stream(_ t: Int, _ microBatch: Int, _ layer: Int, _ factor: Int) -> UInt64 {
    UInt64(20_000 + ((t * 20 + microBatch) * 10 + layer) * 2 + factor)
  }
  func factors(_ layer: FactoredLayer) -> [FactorShape] { [layer.shape.a, layer.shape.b] }

  /// Gives the factors of step t's batch; the last micro-batch may have a wrong number.
  func give(_ t: Int, wrong: Float? = nil) throws {
    for microBatch in Partition(of: microBatches, over: world.size).range(of: world.rank) {
      let vector = try kfac.beginFactors(microBatch: microBatch, on: world)
      for (index, layer) in layers.enumerated() {
        for (factor, shape) in factors(layer).enumerated() {
          let numbers = packed(shape, stream(t, microBatch, index, factor))
          let range = kfac.factorRanges[index][factor]
          for (i, number) in zip(range, numbers) { vector[i] = number }
        }
      }
      if let wrong, microBatch == microBatches - 1 { vector[0] = wrong }
      try kfac.endFactors(on: world)
    }
    try kfac.finishFactors(on: world)
  }

  /// The averages and λ at the last inversion.
  var inverted: [[[Double]]] = []
  var invertedDamping = 0.0
  var digest: UInt64 = 0
  var averages = layers.map { factors($0).map { [Double](repeating: 0, count: $0.packedCount) } }
  for t in 0..<5 {
    // K-FAC takes the factors of every second batch, if a step is to be taken with them.
    let takesFactors = t % 2 == 0
    try check(kfac.wantsFactors == takesFactors, "factors of step \(t)")
    if takesFactors {
      // The number is wrong on one rank alone: neither averages nor parameters may change.
      for wrong in [Float.nan, .infinity] {
        try give(t, wrong: wrong)
        let outcome = try stepper.step(gradient(t, d), learningRate: 1).outcome
        try check(!outcome.wasApplied && kfac.wantsFactors, "a factor with \(wrong) was taken")
      }
      try give(t)
    }
    let damping = 0.05 + 0.05 * Double(t)
    for (index, layer) in layers.enumerated() where takesFactors {
      for (factor, shape) in factors(layer).enumerated() {
        let scale = factor == 0 ? layer.scales.a : layer.scales.b
        var sum = [Double](repeating: 0, count: shape.packedCount)
        for microBatch in 0..<microBatches {
          for (i, x) in packed(shape, stream(t, microBatch, index, factor)).enumerated() {
            sum[i] += scale * Double(x)
          }
        }
        for i in sum.indices {
          averages[index][factor][i] = 0.7 * averages[index][factor][i] + 0.3 * sum[i]
        }
      }
    }
    if t % 4 == 0 {
      let weight = 1 - (0...t / 2).reduce(1) { x, _ in x * 0.7 }
      inverted = averages.map { $0.map { $0.map { $0 / weight } } }
      invertedDamping = damping
    }
    let g = gradient(t, d)
    var expected = g.map { -Double($0) }
    for (layer, averages) in zip(layers, inverted) {
      // Eigenvalues take the step's own λ.
      let matrix = denseCurvature(
        layer, averages, form,
        damping: solver == .eigen || layer.isNormalization ? damping : invertedDamping)
      expected.replaceSubrange(
        layer.parameters, with: matrix.solve(Array(expected[layer.parameters])))
    }
    let (outcome, change) = try stepper.step(g, learningRate: 1)
    try check(outcome.wasApplied && abs(outcome.damping! - damping) < 1e-12, "step \(t) of K-FAC")
    for layer in layers {
      let error = relativeError(
        Array(change[layer.parameters]), to: Array(expected[layer.parameters]))
      // Single precision, with factors of condition up to 10⁴.
      try check(error < 2e-4, "\(layer.name) in step \(t): \(error), \(solver), \(form)")
      expected.replaceSubrange(layer.parameters, with: change[layer.parameters])
    }
    // Five steps from the origin, each of a few units.
    try check(relativeError(change, to: expected) < 1e-6, "parameters outside of layers")
    digest = stepper.digest(digest)
  }
  return digest
}

/// Returns the layers one behind another, with `apart` parameters outside of layers around each,
/// and the total number of parameters.
func kfacLayers(of shapes: [KroneckerShape], apart: Int) -> (layers: [FactoredLayer], d: Int) {
  var layers: [FactoredLayer] = []
  var d = apart
  for (index, shape) in shapes.enumerated() {
    let count = shape.a.order * shape.b.order
    layers.append(
      FactoredLayer(
        name: "layer\(index)", weight: index, parameters: d..<d + count, shape: shape,
        exampleInputs: shape.positions * shape.inputs,
        isNormalization: shape.inputs == shape.a.order && shape.outputs == 1,
        scales: (a: 0.5, b: 0.25)))
    d += count + apart
  }
  return (layers, d)
}

/// Returns a layer's damped curvature, with rows and columns in the order of its parameters.
func denseCurvature(
  _ layer: FactoredLayer, _ averages: [[Double]], _ form: KroneckerDamping, damping: Double
) -> DenseMatrix {
  func matrix(_ shape: FactorShape, _ packed: [Double]) -> DenseMatrix {
    DenseMatrix(rows: shape.order, columns: shape.order) { i, j in
      switch shape.form {
      case .unit: i == j ? 1 : 0
      case .diagonal: i == j ? packed[i] : 0
      case .dense: packed[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)]
      }
    }
  }
  let a = matrix(layer.shape.a, averages[0])
  let b = matrix(layer.shape.b, averages[1])
  let isExact = layer.isNormalization || form == .exact
  let shifts = (isExact ? .exact : form).shifts(
    damping, traceOfA: a.trace, orderOfA: a.rows, traceOfB: b.trace, orderOfB: b.rows)
  let (dampedA, dampedB) = (a.shifted(by: shifts.a), b.shifted(by: shifts.b))
  let product =
    layer.shape.isTable
    ? DenseMatrix.kronecker(dampedA, dampedB) : DenseMatrix.kronecker(dampedB, dampedA)
  let damped = isExact ? product.shifted(by: damping) : product
  guard layer.shape.hasBias else { return damped }
  // Maps rows [inputs, bias] to the weight and then the bias.
  let (inputs, outputs) = (layer.shape.inputs, layer.shape.outputs)
  func place(_ i: Int) -> Int {
    i < inputs * outputs
      ? i / inputs * (inputs + 1) + i % inputs
      : (i - inputs * outputs) * (inputs + 1) + inputs
  }
  return DenseMatrix(rows: damped.rows, columns: damped.rows) { damped[place($0), place($1)] }
}
