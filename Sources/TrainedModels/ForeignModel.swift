import Curvature
import Formats
import LinearAlgebra
import MPI
import Pruning
import Sharding

/// A model from any framework; reads a file of its weights and a file of gradients that the
/// framework computed.
public final class ForeignModel<Element: Scalar>: TrainedModel {
  public let weights: Buffer<Element>
  private let file: WeightFile
  private let gradientFile: GradientFile?

  public var name: String { "none: of any framework" }
  public var data: String { gradientFile?.path ?? "none" }
  public var tensors: [WeightFile.Tensor] { file.tensors }
  public var others: [TensorContent] { file.others }
  public var multiplyAddsPerWeight: [Int]? { nil }

  /// Reads the weights, and checks that all ranks have read the same. Collective.
  ///
  /// The vector [d] holds the tensors that have gradients. Without a file of gradients, it holds
  /// all tensors of type F16, BF16, F32 or F64. All other tensors are written as they were read.
  ///
  /// - Parameters:
  ///   - path: a safetensors file.
  ///   - gradients: see `GradientFile`.
  ///   - isRequired: returns true for a tensor that is refused if it has no gradients.
  public init(
    weights path: String, gradients: String?, isRequired: (TensorEntry) -> Bool,
    on world: Communicator
  ) throws {
    (file, gradientFile) = try world.agree {
      guard let gradients else { return (try WeightFile(path: path), nil) }
      let file = try WeightFile(path: path, withGradientsIn: gradients, isRequired: isRequired)
      return (file, try GradientFile(path: gradients, of: file))
    }
    let (file, weights) = (file, Buffer<Element>(count: file.count))
    try world.agree { try file.read(into: weights.all) }
    try world.requireSame(parameters: weights.all, state: Buffer(count: 0).all)
    self.weights = weights
  }

  /// Prepares to collect the file's rows; the last rows are held out. Collective.
  public func gradients(
    of partition: CellPartition, holdingOut heldOut: (Int) throws -> Int, pagedIn pages: String?,
    kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> (source: any GradientSource<Element>, judge: (any HeldOutJudge<Element>)?) {
    let slice = partition.slice(of: world.rank)
    let file = try world.agree {
      guard let gradientFile else {
        throw InputError(
          setting: "gradients", "is missing", expected: "a file of gradients", got: "none")
      }
      return gradientFile
    }
    let judging = try world.agree { try heldOut(file.rowCount) }
    let (rowCount, blocks) = (
      file.rowCount - judging, partition.cellsInSlice(of: world.rank)
    )
    try MemoryPlan(
      gradients: kept(rowCount)
        + (judging > 0
          ? GradientRows.bytes(
            count: judging, blocks: blocks, of: Element.self, isPaged: pages != nil) : 0),
      vectors: MemoryLayout<Element>.stride * (count + slice.count), activations: 0
    ).check(on: world) { _ in "use a file with fewer gradients, or more nodes" }
    let source = FileGradients<Element>(file: file, rowCount: rowCount, columns: slice)
    guard judging > 0 else { return (source, nil) }
    let rows = try world.agree {
      let rows = try GradientRows(
        count: judging, blocks: blocks, of: Element.self, pagedIn: pages)
      try file.forEachRow(of: slice, rows: rowCount..<file.rowCount, as: Element.self) {
        rows.store($1, row: $0 - rowCount)
      }
      return rows
    }
    return (
      source,
      HeldOutRows(
        rows: rows, weights: UnsafeBufferPointer(weights[slice]),
        partition: partition,
        rank: world.rank)
    )
  }

  /// True if single precision would round the gradients.
  public var hasDoubleGradients: Bool { gradientFile?.isDouble ?? false }

  /// Returns this rank's columns of all rows in the file of gradients, in double precision.
  /// Collective.
  public func doubleGradients(
    of partition: CellPartition, on world: Communicator
  ) throws -> GradientRows {
    try world.agree {
      guard let gradientFile else {
        throw InputError(
          setting: "gradients", "is missing", expected: "a file of gradients", got: "none")
      }
      let slice = partition.slice(of: world.rank)
      let rows = GradientRows(
        count: gradientFile.rowCount, blocks: partition.cellsInSlice(of: world.rank),
        of: Double.self)
      let row = Buffer<Double>(count: slice.count)
      for index in 0..<gradientFile.rowCount {
        try gradientFile.read(row: index, columns: slice, into: row.all)
        rows.store(UnsafeBufferPointer(row.all), row: index)
      }
      return rows
    }
  }

  public func evaluation(of weights: Buffer<Element>, on world: Communicator) -> Evaluation? { nil }

  public func write(_ weights: Buffer<Element>, to path: String) throws {
    try file.write(UnsafeBufferPointer(weights.all), to: path)
  }
}

private struct FileGradients<Element: Scalar>: GradientSource {
  let file: GradientFile
  let rowCount: Int
  let columns: Range<Int>

  func collect(
    rows: Range<Int>, at weights: Buffer<Element>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Element>) throws -> Void
  ) throws {
    try world.agree { try file.forEachRow(of: columns, rows: rows, as: Element.self, store) }
  }
}
