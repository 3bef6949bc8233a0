import Curvature
import LinearAlgebra
import MPI
import Sharding

/// How kept weights answer a removal.
public enum PruningUpdate: String, CaseIterable, Sendable {
  /// They stay as they are.
  case none
  /// The sum of what the removal of each weight alone would ask for (WoodFisher and M-FAC, as
  /// published).
  case independent
  /// The minimum of the model for the whole set.
  case joint
}

/// Removes weights by a quadratic model of the loss, whose gradients are shared out over the ranks
/// by columns.
///
///     w [d/p]      the weights of this rank's slice, of any scalar
///     G [m, d/p]   its columns of the gradients
///     M            the removed weights, of all ranks
///
/// The model's matrix F = λI + (1/m) GᵀG is taken whole, as in M-FAC, or block by block of the
/// coordinates, as in WoodFisher: then no number crosses the network but sums for the report.
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

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients, cell by cell.
  ///   - partition: the cells, and who has which; block by block, a cell is a block.
  ///   - weights: shape [d/p].
  ///   - damping: λ > 0.
  ///   - gradientScale: η ≥ 0, times the mean gradient; 0 for a network at its optimum.
  ///   - isBlockwise: whether F is taken block by block.
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

  /// Bytes that it takes on a rank beside the rows, at most: systems of equations, and what is
  /// known of each coordinate.
  ///
  /// - Parameters:
  ///   - models: how many it is asked about at once.
  ///   - isBlockwise: a block's systems are of the order of its width or of m, the smaller of them;
  ///     of the whole matrix two sums of m×m numbers may wait on each level of the tree.
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

  /// What each weight of this rank would do alone, with `removed` removed and the others at the
  /// model's minimum. Collective.
  public func coordinates(
    removing removed: [Bool], on world: Communicator
  ) throws -> [SurgeonModel.Coordinate] {
    try solved(removing: removed, on: world).coordinates
  }

  /// What each weight of this rank would do alone, and of a matrix that is taken whole also its
  /// minimum, so computed that no cost is made of rounding. Collective.
  ///
  /// - Parameter visit: gets each block of this rank, where the matrix is taken block by block,
  ///   with its model and its coordinates.
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

  /// The model of the whole matrix, where λ disappears beside the gradients. Collective.
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

  /// The weights without those that are removed, and the change of the loss that the model
  /// predicts. Collective.
  ///
  /// - Parameter measuresCondition: whether the condition of S_R is asked for.
  /// - Returns: weights, shape [d/p]; the prediction, nil where kept weights do not answer; and the
  ///   condition, its largest eigenvalue over its least, of a joint update by the whole matrix.
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
        // The least eigenvalue would be made of rounding.
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

  /// Of single weights q the update is `−(w_q/[F⁻¹]_qq) F⁻¹e_q`: their sum is `−F⁻¹z`, which in the
  /// kept weights is `GᵀS⁻¹Gz/λ`.
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

  /// The kept weights of a block become those of before and a change of them.
  func add(
    _ change: UnsafeMutableBufferPointer<Double>, ofBlock block: Int, to updated: inout [Element],
    removing removed: [Bool]
  ) {
    let range = rows.blocks[block]
    for i in range where !removed[i] {
      updated[i] = Element(Double(weights.pointer[i]) + change[i - range.lowerBound])
    }
  }

  /// The weights, zero where they are removed.
  func masked(by removed: [Bool]) -> [Element] {
    (0..<weights.count).map { removed[$0] ? 0 : weights.pointer[$0] }
  }

  var all: UnsafeBufferPointer<Element> { UnsafeBufferPointer(weights.all) }

  /// Hands each block of this rank to `body`, with the model that it belongs to; returns the sum of
  /// the models' minima, the same on all ranks.
  func minimum(
    removing removed: [Bool], on world: Communicator,
    inspecting inspect: (([Double]) -> Void)? = nil, solved: ((SurgeonModel) -> Void)? = nil,
    _ body: (Int, SurgeonModel) throws -> Void
  ) throws -> Double {
    // A rank without coordinates has the whole matrix's model too.
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

  /// The largest bound on the relative error of all ranks' updates so far. Collective.
  public func largestError(on world: Communicator) throws -> Double {
    try world.allGather(error).max() ?? 0
  }

  /// The model of sums over all its coordinates.
  func model(_ sums: [Double]) throws -> SurgeonModel {
    try named(damping) {
      try SurgeonModel(
        sums: sums, count: rows.count, damping: damping, gradientScale: gradientScale)
    }
  }

  /// What is solved with λ, or with several of which this is the least.
  func named<Solution>(
    _ damping: Double, _ solution: () throws -> Solution
  ) throws -> Solution {
    do { return try solution() } catch let error as NotPositiveDefinite {
      // Programs have options of different names for it.
      throw PruningError("λ \(damping) is too small for these \(rows.count) gradients: \(error)")
    } catch let error as LostDigits {
      throw PruningError("\(error)")
    }
  }

  /// Whether λ disappears in S_R.
  private func losesDigits(_ sums: [Double], _ damping: Double) -> Bool {
    SurgeonModel.factorError(of: sums, count: rows.count, damping: damping) > SurgeonModel.goodError
  }

  /// Solves what is to be solved of each model, and hands each block of this rank to `body` with
  /// the solution of its model. Collective.
  ///
  /// - Parameters:
  ///   - damping: the least λ of the solutions.
  ///   - solution: of the whole model, from its sums over all coordinates.
  ///   - refinedSolution: of the whole model, where λ disappears in these sums. Collective.
  ///   - ofBlock: of a block's own.
  ///   - values: numbers of a solution, as many of each.
  /// - Returns: their sums over all models, the same on all ranks.
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
  /// `Gx` over all ranks' columns, shape [m], the same on all ranks. Collective.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - sum: over the cells, of which this rank's are the blocks.
  func products(
    with x: UnsafeBufferPointer<Double>, over sum: TreeSum, on world: Communicator
  ) throws -> [Double] {
    let first = sum.share.lowerBound
    return try sum.total(width: count, on: world) { cell, sums in
      writeProducts(ofBlock: cell - first, with: x, into: sums.baseAddress!)
    }
  }
}
