import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Selects the change of the kept weights after a removal.
public enum PruningUpdate: String, CaseIterable, Sendable {
  /// Leaves the kept weights unchanged.
  case none
  /// Adds up the optimal changes for each removed weight alone (WoodFisher and M-FAC, as
  /// published).
  case independent
  /// Minimizes the model over all kept weights, given the whole removed set.
  case joint
}

/// Removes weights by a quadratic model of the loss. Each rank holds some columns of the model's
/// gradients.
///
///     w [d/p]      the weights of this rank's slice, of any scalar
///     G [m, d/p]   its columns of the gradients
///     M            the removed weights, of all ranks
///
/// The model's matrix is F = λI + (1/m) GᵀG. It is either the whole matrix, as in M-FAC, or its
/// diagonal blocks, as in WoodFisher. In the blockwise form, ranks exchange only the sums for the
/// report.
public final class BrainSurgeon<Element: Scalar> {
  let rows: GradientRows
  let weights: Buffer<Element>
  let settings: SurgeonModel.Settings
  /// λ.
  var damping: Double { settings.damping }
  /// η.
  var gradientScale: Double { settings.gradientScale }
  let isBlockwise: Bool
  let sum: TreeSum
  let partition: CellPartition
  private let firstCoordinate: Int
  /// The largest bound on the relative error of this rank's updates so far.
  private(set) var error = 0.0

  /// Creates the model of this rank's slice and copies the weights.
  ///
  /// - Parameters:
  ///   - rows: this rank's columns of the gradients, cell by cell.
  ///   - partition: the cells and their owners; in the blockwise form, a cell is a block.
  ///   - weights: shape [d/p].
  ///   - damping: λ > 0.
  ///   - gradientScale: η ≥ 0, factor of the mean gradient; 0 for a network at its optimum.
  ///   - isBlockwise: uses only the diagonal blocks of F.
  public init(
    rows: GradientRows, partition: CellPartition, weights: UnsafeBufferPointer<Element>,
    damping: Double, gradientScale: Double = 0, isBlockwise: Bool = false, rank: Int
  ) {
    precondition(
      rows.blocks == partition.cellsInSlice(of: rank) && weights.count == rows.sliceCount,
      "\(rows.blocks.count) blocks and \(weights.count) weights on rank \(rank)")
    self.rows = rows
    self.weights = Buffer(count: weights.count)
    _ = self.weights.all.update(fromContentsOf: weights)
    settings = SurgeonModel.Settings(damping: damping, gradientScale: gradientScale)
    self.isBlockwise = isBlockwise
    sum = TreeSum(partition, rank: rank)
    self.partition = partition
    firstCoordinate = partition.slice(of: rank).lowerBound
  }

  /// Returns an upper bound on this rank's memory in bytes, without the rows: linear systems and
  /// numbers for each coordinate.
  ///
  /// - Parameters:
  ///   - models: number of models solved at the same time.
  ///   - isBlockwise: a block's systems are of order min(block width, m). With the whole matrix,
  ///     two sums of m×m numbers may wait on each level of the tree.
  public static func bytes(
    count m: Int, models: Int = 1, isBlockwise: Bool, partition: CellPartition, rank: Int
  ) -> Int {
    let size = MemoryLayout<Element>.size
    let levels = partition.cells.leaves.trailingZeroBitCount
    let width = partition.cellsInSlice(of: rank).map(\.count).max() ?? 0
    let systems =
      isBlockwise
      ? (models + 4) * SurgeonModel.width(count: min(m, width))
      : (2 * levels + 5) * SurgeonModel.width(count: m)
    let ofModels =
      models == 1
      ? 0
      : (8 + size) * models * partition.slice(of: rank).count
        + (isBlockwise && width < m ? 0 : SurgeonSpectrum.bytes(count: m, width: width))
    return 8 * systems
      + (MemoryLayout<SurgeonModel.Coordinate>.stride + 24 + 2 * size)
      * partition.slice(of: rank).count
      + ofModels
  }

  /// Returns the effect of changing each weight of this rank alone. The weights in `removed` are
  /// zero and the others are at the model's minimum. Collective.
  public func coordinates(
    removing removed: [Bool], on world: Communicator
  ) throws -> [SurgeonModel.Coordinate] {
    try solved(removing: removed, on: world).coordinates
  }

  /// Returns the coordinates of this rank and, for the whole matrix, the solved model. Solves a
  /// refined model if rounding would dominate a cost. Collective.
  ///
  /// - Parameter visit: in the blockwise form, receives each block of this rank with its model and
  ///   its coordinates.
  func solved(
    removing removed: [Bool], on world: Communicator,
    visit: (Int, SurgeonModel, [SurgeonModel.Coordinate]) throws -> Void = { _, _, _ in }
  ) throws -> (model: SurgeonModel?, coordinates: [SurgeonModel.Coordinate]) {
    var (solution, coordinates): (SurgeonModel?, [SurgeonModel.Coordinate]) = (nil, [])
    let keep: (SurgeonModel) -> Void = { solution = $0 }
    _ = try minimum(removing: removed, on: world, solved: keep) { block, model in
      var (model, local) = (model, model.coordinates(of: rows, block: block, weights: all))
      if isBlockwise, SurgeonModel.losesDigits(local, factorError: model.factorError) {
        model = try named(damping) {
          try SurgeonModel(
            refiningBlock: block, of: rows, weights: all, removed: removed, damping: damping,
            gradientScale: gradientScale)
        }
        local = model.coordinates(of: rows, block: block, weights: all)
      }
      coordinates += local
      if isBlockwise {
        try named(damping) { try model.checkCoordinates() }
        try visit(block, model, local)
      }
    }
    guard !isBlockwise else { return (nil, coordinates) }
    let losesDigits =
      solution.map { SurgeonModel.losesDigits(coordinates, factorError: $0.factorError) } ?? false
    guard try world.allGather(losesDigits ? 1 : 0).contains(1) else {
      try named(damping) { try solution?.checkCoordinates() }
      return (solution, coordinates)
    }
    let refined = try refined(settings, removed, world)
    try named(damping) { try refined.checkCoordinates() }
    return (
      refined,
      rows.blocks.indices.flatMap { refined.coordinates(of: rows, block: $0, weights: all) }
    )
  }

  /// Solves the model of the whole matrix by the refined method, for a λ that rounding hides next
  /// to the gradients. Collective.
  func refined(
    _ model: SurgeonModel.Settings, _ removed: [Bool], _ world: Communicator
  ) throws -> SurgeonModel {
    try named(model.damping) {
      try SurgeonModel(
        refining: Array(rows.blocks.indices), of: rows, firstCoordinate: firstCoordinate,
        weights: all, removed: removed, damping: model.damping,
        gradientScale: model.gradientScale, fold: world.fold(over: partition))
    }
  }

  /// Returns the weights after the removal, and the change of the loss that the model predicts.
  /// Collective.
  ///
  /// - Parameter measuresCondition: measures the condition number of S_R.
  /// - Returns: the weights, shape [d/p]; the prediction, only for `.joint`; and the condition
  ///   number of S_R (largest eigenvalue over smallest), for a joint update by the whole matrix.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func update(
    _ kind: PruningUpdate, removing removed: [Bool], measuresCondition: Bool = false,
    on world: Communicator
  ) throws -> (weights: [Element], prediction: Double?, condition: Double?) {
    var updated = masked(by: removed)
    var (prediction, condition): (Double?, Double?)
    switch kind {
    case .none: break
    case .joint:
      let measured: ([Double]) -> Void = { [rows, damping] sums in
        // The smallest eigenvalue would consist of rounding errors.
        let error = SurgeonModel.factorError(of: sums, count: rows.count, damping: damping)
        guard error <= SurgeonModel.goodError else { return }
        condition = SurgeonSpectrum.condition(sums: sums, count: rows.count, damping: damping)
      }
      prediction = try minimum(
        removing: removed, on: world, inspecting: measuresCondition && !isBlockwise ? measured : nil
      ) { block, model in
        let change = Buffer<Double>(count: rows.blocks[block].count)
        model.writeChange(
          of: rows, block: block, weights: all, removed: removed, into: change.all)
        add(change.all, ofBlock: block, to: &updated, removing: removed)
      }
    case .independent:
      try addIndependentUpdates(to: &updated, removing: removed, on: world)
    }
    return (updated, prediction, condition)
  }

  /// Adds the sum of the updates for each removed weight q alone, `−(w_q/[F⁻¹]_qq) F⁻¹e_q`. The sum
  /// is `−F⁻¹z`; restricted to the kept weights it is `GᵀS⁻¹Gz/λ`.
  private func addIndependentUpdates(
    to updated: inout [Element], removing removed: [Bool], on world: Communicator
  ) throws {
    let z = Buffer<Double>(count: weights.count)
    let nothing = [Bool](repeating: false, count: weights.count)
    func ask(_ coordinates: [SurgeonModel.Coordinate], _ range: Range<Int>) {
      for (i, coordinate) in zip(range, coordinates) where removed[i] {
        z.pointer[i] = Double(weights.pointer[i]) / coordinate.inverse
      }
    }
    let (whole, coordinates) = try solved(removing: nothing, on: world) { block, model, local in
      ask(local, rows.blocks[block])
      let change = Buffer<Double>(count: local.count)
      try model.writeInverseProduct(
        of: rows, block: block, with: UnsafeBufferPointer(z.all), into: change.all)
      for i in change.all.indices { change.pointer[i] = -change.pointer[i] }
      add(change.all, ofBlock: block, to: &updated, removing: removed)
    }
    guard !isBlockwise else { return }
    ask(coordinates, 0..<weights.count)
    if let change = try named(damping, { try whole?.inverseProduct(Array(z.all)) }) {
      for (block, range) in rows.blocks.enumerated() {
        let part = Buffer<Double>(count: range.count)
        for i in range { part.pointer[i - range.lowerBound] = -change[i] }
        add(part.all, ofBlock: block, to: &updated, removing: removed)
      }
      return
    }
    let products = try rows.products(
      with: UnsafeBufferPointer(z.all), over: sum, on: world)
    guard let t = whole?.solve(products) else { return }
    for (block, range) in rows.blocks.enumerated() {
      let change = Buffer<Double>(count: range.count)
      rows.combine(t, block: block, into: change.all)
      for i in change.all.indices { change.pointer[i] /= damping }
      add(change.all, ofBlock: block, to: &updated, removing: removed)
    }
  }

  /// Adds a change to the original kept weights of a block, and stores the result in `updated`.
  func add(
    _ change: UnsafeMutableBufferPointer<Double>, ofBlock block: Int, to updated: inout [Element],
    removing removed: [Bool]
  ) {
    let range = rows.blocks[block]
    for i in range where !removed[i] {
      updated[i] = Element(Double(weights.pointer[i]) + change[i - range.lowerBound])
    }
  }

  /// Returns the weights with zeros for the removed ones.
  func masked(by removed: [Bool]) -> [Element] {
    (0..<weights.count).map { removed[$0] ? 0 : weights.pointer[$0] }
  }

  var all: UnsafeBufferPointer<Element> { UnsafeBufferPointer(weights.all) }

  /// Solves the model of each block, or the whole one, and passes each block of this rank to `body`
  /// with its model. Returns the sum of the models' minima, the same on all ranks.
  func minimum(
    removing removed: [Bool], on world: Communicator,
    inspecting inspect: (([Double]) -> Void)? = nil, solved: ((SurgeonModel) -> Void)? = nil,
    _ body: (Int, SurgeonModel) throws -> Void
  ) throws -> Double {
    // A rank without coordinates solves the whole matrix's model too.
    func known(_ model: SurgeonModel) -> SurgeonModel {
      solved?(model)
      note(model.error)
      return model
    }
    return try solve(removing: removed, with: damping, on: world) { sums in
      inspect?(sums)
      return known(try model(sums))
    } refined: {
      known(
        try refined(settings, removed, world))
    } ofBlock: { block in
      try named(damping) {
        try SurgeonModel(
          ofBlock: block, of: rows, weights: all, removed: removed, damping: damping,
          gradientScale: gradientScale)
      }
    } values: {
      [$0.value]
    } body: { block, model in
      note(model.error)
      try body(block, model)
    }[0]
  }

  func note(_ error: Double) { self.error = max(self.error, error) }

  /// Returns the largest bound on the relative error of all ranks' updates so far. Collective.
  public func largestError(on world: Communicator) throws -> Double {
    try world.allGather(error).max() ?? 0
  }

  /// Returns the model for sums over all its coordinates.
  func model(_ sums: [Double]) throws -> SurgeonModel {
    try named(damping) {
      try SurgeonModel(
        sums: sums, count: rows.count, damping: damping, gradientScale: gradientScale)
    }
  }

  /// Runs a solution with λ, or with several of which this is the smallest, and names λ in its
  /// errors.
  func named<Solution>(
    _ damping: Double, _ solution: () throws -> Solution
  ) throws -> Solution {
    do { return try solution() } catch let error as NotPositiveDefinite {
      // The message says λ because programs name the option differently.
      throw PruningError("λ \(damping) is too small for these \(rows.count) gradients: \(error)")
    } catch let error as LostDigits {
      throw PruningError("\(error)")
    }
  }

  /// Returns true if rounding hides λ in S_R.
  private func losesDigits(_ sums: [Double], _ damping: Double) -> Bool {
    SurgeonModel.factorError(of: sums, count: rows.count, damping: damping) > SurgeonModel.goodError
  }

  /// Solves each model, and passes each block of this rank to `body` with the solution of its
  /// model. Collective.
  ///
  /// - Parameters:
  ///   - damping: the smallest λ of the solutions.
  ///   - solution: solves the whole model from its sums over all coordinates.
  ///   - refinedSolution: solves the whole model if rounding hides λ in these sums. Collective.
  ///   - ofBlock: solves a block's own model.
  ///   - values: returns numbers of a solution, the same count for each.
  /// - Returns: the sums of these numbers over all models, the same on all ranks.
  func solve<Solution>(
    removing removed: [Bool], with damping: Double, on world: Communicator,
    _ solution: ([Double]) throws -> Solution, refined refinedSolution: () throws -> Solution,
    ofBlock blockSolution: (Int) throws -> Solution, values: (Solution) -> [Double],
    body: (Int, Solution) throws -> Void
  ) throws -> [Double] {
    precondition(
      removed.count == weights.count, "\(removed.count) flags of \(weights.count) weights")
    guard isBlockwise else {
      let first = sum.share.lowerBound
      let sums = try sum.total(width: SurgeonModel.width(count: rows.count), on: world) {
        SurgeonModel.writeSums(
          of: rows, block: $0 - first, weights: all, removed: removed, into: $1)
      }
      let solution =
        try losesDigits(sums, damping)
        ? refinedSolution() : world.agree { try solution(sums) }
      for block in rows.blocks.indices { try body(block, solution) }
      return values(solution)
    }
    var parts: [[Double]] = []
    try world.agree {
      for block in rows.blocks.indices {
        let solution = try blockSolution(block)
        try body(block, solution)
        parts.append(values(solution))
      }
    }
    let count = Int(try world.allGather(Double(parts.first?.count ?? 0)).max()!)
    var joined = parts.flatMap { $0 }
    return try joined.withUnsafeMutableBufferPointer {
      try sum.total(of: $0, width: count, on: world)
    }
  }
}

extension GradientRows {
  /// Computes `Gx` over all ranks' columns, shape [m], the same on all ranks. Collective.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - sum: over the cells; this rank's cells are the blocks of the rows.
  func products(
    with x: UnsafeBufferPointer<Double>, over sum: TreeSum, on world: Communicator
  ) throws -> [Double] {
    let first = sum.share.lowerBound
    return try sum.total(width: count, on: world) { cell, sums in
      writeProducts(ofBlock: cell - first, with: x, into: sums.baseAddress!)
    }
  }
}
