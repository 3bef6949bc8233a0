import Curvature
import Optimizers
import Sharding
import Testing

@Suite struct KFACLoadTests {
  /// One rank alone does all the predicted work once, with each solver; two ranks share it.
  @Test(
    "ranks share the predicted work on layers",
    arguments: [KFACConfiguration.Solver.factors(.cholesky), .conjugateGradients(.init())], [1, 2])
  func sharedWork(solver: KFACConfiguration.Solver, ranks: Int) {
    let shapes = [
      KroneckerShape(inputs: 20, hasBias: true, outputs: 7, positions: 2, axis: .expand),
      KroneckerShape(blockOf: 10, isDiagonal: false),
    ]
    var d = 0
    let layers = shapes.map { shape in
      let parameters = d..<d + shape.a.order * shape.b.order
      d = parameters.upperBound
      return FactoredLayer(
        name: "layer at \(parameters.lowerBound)", weight: 0, parameters: parameters, shape: shape,
        exampleInputs: 0, isNormalization: shape.outputs == 1, scales: (a: 0.5, b: 0.25))
    }
    var configuration = KFACConfiguration()
    configuration.solver = solver
    let load = configuration.load(
      OptimizerContext<Float>(
        partition: CellPartition(Cells(parameterCount: d), over: ranks), layers: layers,
        microBatches: Partition(of: 2, over: ranks)),
      measured: MeasuredSteps(count: configuration.period, products: []))
    #expect(abs(load.shares[.inverse]!.reduce(0, +) - 1) < 1e-12)
    let shares = load.shares[.direction]!
    #expect(ranks == 1 ? shares == [1] : shares.allSatisfy { $0 <= 1 })
  }
}
