import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Updates matrices by momentum that is orthogonalised matrix by matrix, and all other parameters
/// by AdamW.
///
///     m ← βm + (1 − β)g;  u = (1 − β)g + βm, or m without Nesterov's look ahead
///     W ← (1 − ηω)W − η √max(1, rows/columns) · orthogonalised(u)
///
///   u [d/p]   this rank's slice of the update
///   X [r, c]  a whole matrix of it, on the rank that owns the matrix
///
/// Momentum is kept slice by slice. In each step the owner of a matrix receives the pieces of its
/// update, orthogonalises the matrix, and sends the pieces back. Any owner makes the same calls on
/// the same numbers.
///
/// Jordan and others, "Muon: An optimizer for hidden layers in neural networks", 2024. The scale by
/// shape, and AdamW's β₁ = 0.9, β₂ = 0.95 and ε = 1e-10, are those of the reference implementation
/// (github.com/KellerJordan/Muon).
public final class Muon<Element: Scalar>: ShardedOptimizer {
  private let configuration: MuonConfiguration
  private let measuresDirection: Bool
  private let layout: Layout
  private let rank: Int
  private var gradient: GradientSlice<Element>
  /// m, and AdamW's first moments.
  private let momentum: Buffer<Element>
  /// AdamW's second moments of its parameters, contiguous.
  private let second: Buffer<Element>
  private let update: Buffer<Element>
  /// The matrices that this rank owns, contiguous.
  private let whole: Buffer<Element>
  private let orthogonalization: NewtonSchulz<Element>
  private let toOwners: RangeExchange<Element>
  private let fromOwners: RangeExchange<Element>
  /// β₁ᵗ and β₂ᵗ.
  private var powers: (Double, Double) = (1, 1)
  private let beta1: Element = 0.9
  private let beta2: Element = 0.95
  private let epsilon: Element = 1e-10

  /// Creates the optimizer's part on this rank. Collective.
  fileprivate init(
    _ configuration: MuonConfiguration, _ context: OptimizerContext<Element>, on world: Communicator
  ) {
    self.configuration = configuration
    measuresDirection = context.measuresDirection
    rank = world.rank
    layout = Layout(configuration, context)
    gradient = GradientSlice(
      layout.groups(context.groups), decay: configuration.weightDecay, clipNorm: context.clipNorm,
      partition: context.partition, rank: rank)
    momentum = Buffer(count: gradient.parameters.count)
    update = Buffer(count: gradient.parameters.count)
    second = Buffer(count: gradient.parameters.countOutside)
    let owned = layout.owned(by: rank)
    whole = Buffer(count: owned.reduce(0) { $0 + $1.count })
    orthogonalization = NewtonSchulz(for: owned.map(\.shape))
    toOwners = RangeExchange(layout.toOwners, on: world)
    fromOwners = RangeExchange(layout.fromOwners, on: world)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    var outcome = try self.gradient.measure(
      gradient, parameters: parameters, on: world, clock: clock)
    guard outcome.wasApplied else { return outcome }
    clock.time(.update) { advance() }
    try orthogonalize(on: world, clock: clock)
    try clock.time(.update) {
      let slice = self.gradient.parameters
      slice.clearZeros(of: update.all)
      let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
        learningRate: learningRate, decay: configuration.weightDecay)
      for (index, cell) in slice.cells.enumerated() {
        for piece in slice.pieces(ofCell: index) {
          let (rate, remainder) = (Element(steps[piece.group].rate), steps[piece.group].remainder)
          for i in piece.range {
            parameters[i] = remainder * parameters[i] - rate * update.pointer[i]
          }
        }
        try updated(cell)
      }
    }
    if measuresDirection {
      outcome.direction = try self.gradient.measure(
        direction: UnsafeBufferPointer(update.all), on: world, clock: clock)
    }
    return outcome
  }

  /// Computes the update from the gradient: momentum for matrices, AdamW's direction for all other
  /// parameters.
  private func advance() {
    powers = (powers.0 * Double(beta1), powers.1 * Double(beta2))
    let first = Element(1 / (1 - powers.0))
    let root = Element(1 / (1 - powers.1).squareRoot())
    let beta = Element(configuration.momentum)
    let (g, m, u) = (gradient.slice, momentum.pointer, update.pointer)
    let slice = gradient.parameters
    var v = second.pointer
    for cell in slice.cells.indices {
      for piece in slice.pieces(ofCell: cell) {
        guard slice.groups[piece.group].usesMFAC else {
          for (k, i) in piece.range.enumerated() {
            m[i] = beta1 * m[i] + (1 - beta1) * g[i]
            v[k] = beta2 * v[k] + (1 - beta2) * (g[i] * g[i])
            u[i] = first * m[i] / (v[k].squareRoot() * root + epsilon)
          }
          v += piece.range.count
          continue
        }
        for i in piece.range {
          m[i] = beta * m[i] + (1 - beta) * g[i]
          u[i] = configuration.isNesterov ? (1 - beta) * g[i] + beta * m[i] : m[i]
        }
      }
    }
  }

  /// Orthogonalises the matrices of the update, each on its owner. Collective.
  private func orthogonalize(on world: Communicator, clock: PhaseClock) throws {
    let start = layout.slices[rank].lowerBound
    func local(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
      update[range.lowerBound - start..<range.upperBound - start]
    }
    func owned(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
      let place = layout.place(of: range)
      return whole[place..<place + range.count]
    }
    try clock.time(.exchange) {
      try toOwners.exchange(
        from: { UnsafeBufferPointer(local($0)) }, into: owned, on: world)
    }
    clock.time(.direction) {
      for matrix in layout.owned(by: rank) {
        orthogonalization.apply(
          to: whole.pointer + layout.place(of: matrix.range), matrix.shape,
          iterations: configuration.iterations)
      }
    }
    try clock.time(.exchange) {
      try fromOwners.exchange(
        from: { UnsafeBufferPointer(owned($0)) }, into: local, on: world)
    }
  }

  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) {
    gradient.updateZeros(layout.groups(groups), partition, rank: world.rank)
    gradient.parameters.clearZeros(of: momentum.all)
    var zeros = gradient.parameters.zeros[...]
    var k = 0
    for cell in gradient.cells.indices {
      for piece in gradient.parameters.pieces(ofCell: cell) {
        let isOutside = !gradient.parameters.groups[piece.group].usesMFAC
        while let zero = zeros.first, Int(zero) < piece.range.upperBound {
          if isOutside { second.pointer[k + Int(zero) - piece.range.lowerBound] = 0 }
          zeros.removeFirst()
        }
        if isOutside { k += piece.range.count }
      }
    }
  }

  public var state: OptimizerState {
    var state = OptimizerState(numbers: ["beta1_power": powers.0, "beta2_power": powers.1])
    var start = 0
    state.momentum = gradient.cells.enumerated().map { index, cell in
      let count = gradient.parameters.countOutside(ofCell: index)
      defer { start += count }
      return [momentum.array("momentum", cell)]
        + (count > 0 ? [second.array("second", start..<start + count)] : [])
    }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    powers = (try numbers.stored("beta1_power"), try numbers.stored("beta2_power"))
  }
}

extension Muon {
  /// Describes the matrices, their owners and their moves; the same on all ranks.
  fileprivate struct Layout {
    struct Matrix {
      let range: Range<Int>
      let shape: (rows: Int, columns: Int)
      let owner: Int
      /// Index of its first element among its owner's elements.
      let place: Int
      var count: Int { range.count }
      /// Multiply-adds per iteration.
      var cost: Int { Muon.cost(shape) }
    }

    let matrices: [Matrix]
    let slices: [Range<Int>]
    private let rateFactor: Double

    init(_ configuration: MuonConfiguration, _ context: OptimizerContext<Element>) {
      rateFactor = configuration.adamWRateFactor
      slices = context.partition.slices
      let tensors = context.tensors.compactMap { tensor in
        if case .matrix(let rows, let columns) = tensor.role,
          context.groups.hasCurvature(throughout: tensor.range)
        {
          (tensor.range, (rows, columns))
        } else {
          nil as (Range<Int>, (rows: Int, columns: Int))?
        }
      }
      let owners = KroneckerPlacement(
        of: tensors.map { [.init(count: $0.0.count, cost: Muon.cost($0.1))] },
        over: context.partition.ranks, workerShare: 1
      ).owners.map { $0[0] }
      var ends = [Int](repeating: 0, count: context.partition.ranks)
      matrices = zip(tensors, owners).map { tensor, owner in
        defer { ends[owner] += tensor.0.count }
        return Matrix(range: tensor.0, shape: tensor.1, owner: owner, place: ends[owner])
      }
    }

    func owned(by rank: Int) -> [Matrix] { matrices.filter { $0.owner == rank } }

    /// Returns the index of a range's first element among its owner's elements.
    func place(of range: Range<Int>) -> Int {
      let matrix = matrices.last { $0.range.lowerBound <= range.lowerBound }!
      return matrix.place + range.lowerBound - matrix.range.lowerBound
    }

    /// Returns the groups for Muon. Parameters outside the matrices have AdamW's learning rate and
    /// no curvature.
    func groups(_ groups: ParameterGroups) -> ParameterGroups {
      groups.without(curvatureOutside: matrices.map(\.range)).scalingRates(
        outsideBy: rateFactor)
    }

    /// Moves of matrix pieces from the slices to the owners.
    var toOwners: [RangeExchange<Element>.Move] {
      moves { owner, rank in (rank, owner) }
    }

    var fromOwners: [RangeExchange<Element>.Move] {
      moves { owner, rank in (owner, rank) }
    }

    /// Returns one move for each piece of a matrix within one slice.
    private func moves(
      _ ranks: (_ owner: Int, _ rank: Int) -> (source: Int, target: Int)
    ) -> [RangeExchange<Element>.Move] {
      pieces(of: matrices.map { $0.range }, slices).map { matrix, rank, range in
        let (source, target) = ranks(matrices[matrix].owner, rank)
        return .init(range, from: source, to: target)
      }
    }
  }

  fileprivate static func cost(_ shape: (rows: Int, columns: Int)) -> Int {
    let order = min(shape.rows, shape.columns)
    return order * (2 * shape.rows * shape.columns + order * order)
  }
}

/// Orthogonalises matrices by the quintic Newton–Schulz iteration of Jordan and others. It iterates
/// X ← aX + (bA + cA²)X with A = XXᵀ, from X/(‖X‖ + 1e-7). Singular values approach 1, between
/// about 0.7 and 1.2; singular vectors are preserved.
///
///   X [r, c]   for a tall X the products are those of Xᵀ: A = XᵀX, from the right
struct NewtonSchulz<Element: Scalar> {
  private let next: Buffer<Element>
  private let gram: Buffer<Element>
  private let polynomial: Buffer<Element>

  init(for shapes: [(rows: Int, columns: Int)]) {
    next = Buffer(count: shapes.map { $0.rows * $0.columns }.max() ?? 0)
    let order = shapes.map { min($0.rows, $0.columns) }.max() ?? 0
    gram = Buffer(count: order * order)
    polynomial = Buffer(count: order * order)
  }

  /// Replaces X by the orthogonalised X, times √max(1, rows/columns).
  ///
  ///   x, y   X and its copy from before the iteration
  ///   a, b   A and bA + cA², of order min(r, c)
  func apply(
    to x: UnsafeMutablePointer<Element>, _ shape: (rows: Int, columns: Int), iterations: Int
  ) {
    let (rows, columns) = shape
    let (count, order, isTall) = (rows * columns, min(rows, columns), rows > columns)
    let all = UnsafeBufferPointer(start: x, count: count)
    let scale = 1 / (Element(MixedPrecision.dot(all, all).squareRoot()) + 1e-7)
    for i in 0..<count { x[i] *= scale }
    let (y, a, b) = (next.pointer, gram.pointer, polynomial.pointer)
    let coefficients: (a: Element, b: Element, c: Element) = (3.4445, -4.7750, 2.0315)
    for _ in 0..<iterations {
      Element.product(
        rows: order, columns: order, inner: max(rows, columns), alpha: 1, a: x, strideA: columns,
        transposeA: isTall, b: x, strideB: columns, transposeB: !isTall, beta: 0, c: a,
        strideC: order)
      b.update(from: a, count: order * order)
      Element.product(
        rows: order, columns: order, inner: order, alpha: coefficients.c, a: a, strideA: order,
        transposeA: false, b: a, strideB: order, transposeB: false, beta: coefficients.b, c: b,
        strideC: order)
      y.update(from: x, count: count)
      Element.product(
        rows: rows, columns: columns, inner: order, alpha: 1, a: isTall ? y : b,
        strideA: order, transposeA: false, b: isTall ? b : y, strideB: columns, transposeB: false,
        beta: coefficients.a, c: x, strideC: columns)
    }
    guard isTall else { return }
    let stretch = (Element(rows) / Element(columns)).squareRoot()
    for i in 0..<count { x[i] *= stretch }
  }
}

extension ParameterGroups {
  /// Returns whether all parameters of a range belong to groups with curvature.
  fileprivate func hasCurvature(throughout range: Range<Int>) -> Bool {
    runs.allSatisfy { !$0.range.overlaps(range) || groups[$0.group].usesMFAC }
  }

  /// Returns the same groups, with `factor` applied to the learning rates of groups without
  /// curvature.
  fileprivate func scalingRates(outsideBy factor: Double) -> ParameterGroups {
    ParameterGroups(
      groups.map { group in
        var group = group
        if !group.usesMFAC { group.rateFactor *= factor }
        return group
      }, runs: runs, staysZero: staysZero)
  }
}

extension ParameterSlice {
  /// Returns the number of a cell's parameters that belong to groups without curvature.
  fileprivate func countOutside(ofCell cell: Int) -> Int {
    pieces(ofCell: cell).reduce(0) { $0 + (groups[$1.group].usesMFAC ? 0 : $1.range.count) }
  }

  fileprivate var countOutside: Int { cells.indices.reduce(0) { $0 + countOutside(ofCell: $1) } }
}

/// Holds the settings of Muon.
public struct MuonConfiguration: Codable, Equatable, Sendable {
  /// β in [0, 1).
  public var momentum = 0.95
  /// True if the update uses Nesterov's look-ahead.
  public var isNesterov = true
  /// Newton–Schulz iterations.
  public var iterations = 5
  /// Ratio of AdamW's learning rate to the step's.
  public var adamWRateFactor = 3e-4 / 0.02
  /// Weight decay for all parameters whose group has no rate of its own.
  public var weightDecay = WeightDecay.decoupled(0)

  /// Creates the reference implementation's settings.
  public init() {}
}

extension MuonConfiguration: OptimizerConfiguration {
  public static let name = "muon"
  public static let needsNetwork = true
  public static let isDamped = false

  public var period: Int { 1 }
  public var fixedSettings: [String] { [] }

  public func summary(learningRate: Double) -> String {
    "Muon, momentum \(momentum)\(isNesterov ? " with Nesterov's look ahead" : ""), "
      + "learning rate \(learningRate), AdamW at \(learningRate * adamWRateFactor)"
  }

  public func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps)
    -> OptimizerLoad
  {
    let layout = Muon<Element>.Layout(self, context)
    let ranks = context.partition.ranks
    var load = OptimizerLoad(traffic: [
      .sum: TreeSum.traffic(over: context.partition, width: 1),
      .exchange: zip(
        RangeExchange<Element>.traffic(layout.toOwners, ranks: ranks),
        RangeExchange<Element>.traffic(layout.fromOwners, ranks: ranks)
      ).map(+),
    ])
    let all = layout.matrices.reduce(0) { $0 + $1.cost }
    load.shares[.direction] = (0..<ranks).map { rank in
      let local = layout.owned(by: rank).reduce(0) { $0 + $1.cost }
      return all > 0 ? Double(local) / Double(all) : 0
    }
    return load
  }

  public func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) -> any ShardedOptimizer<Element> { Muon<Element>(self, context, on: world) }
}
