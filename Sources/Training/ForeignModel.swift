import Datasets
import LinearAlgebra
import MPI

/// A model from any framework: a file of its weights, and one of gradients that its framework has made.
public final class ForeignModel: TrainedModel {
  public let weights: Buffer<Float>
  private let file: WeightFile
  private let gradientFile: GradientFile?

  public var name: String { "none: of any framework" }
  public var data: String { gradientFile?.path ?? "none" }
  public var tensors: [WeightFile.Tensor] { file.tensors }
  public var others: [String] {
    let names = Set(tensors.map(\.name))
    return file.entries.map(\.name).filter { !names.contains($0) }
  }

  /// Reads the weights, and checks that all ranks have read the same. Collective.
  ///
  /// The vector [d] is of the tensors of which there are gradients, or, without a file of gradients, of
  /// all of type F16, BF16, F32 or F64. All others are written as they were read.
  ///
  /// - Parameters:
  ///   - path: a safetensors file.
  ///   - gradients: see `GradientFile`.
  ///   - isRequired: whether a tensor without gradients is to be refused.
  public init(
    weights path: String, gradients: String?, isRequired: (TensorEntry) -> Bool,
    on world: Communicator
  ) throws {
    (file, gradientFile) = try world.agree {
      guard let gradients else { return (try WeightFile(path: path), nil) }
      let file = try WeightFile(path: path, withGradientsIn: gradients, isRequired: isRequired)
      return (file, try GradientFile(path: gradients, of: file))
    }
    let (file, weights) = (file, Buffer<Float>(count: file.count))
    try world.agree { try file.read(into: weights.all) }
    try world.requireSame(parameters: weights.all, state: Buffer(count: 0).all)
    if let gradientFile {
      try world.requireSame(
        "the shape of \(gradientFile.path)",
        "[\(gradientFile.rowCount), \(gradientFile.columnCount)]")
    }
    self.weights = weights
  }

  public func gradients(
    slices: [Range<Int>], kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> any GradientSource {
    let file = try world.agree {
      guard let gradientFile else {
        throw DatasetError("--gradients", "there are none", expected: "a file of them", got: "none")
      }
      return gradientFile
    }
    try MemoryPlan(
      gradients: kept(file.rowCount), vectors: 4 * (count + slices[world.rank].count),
      activations: 0
    ).check(on: world)
    return FileGradients(file: file, columns: slices[world.rank])
  }

  public func evaluation(of weights: Buffer<Float>, on world: Communicator) -> Evaluation? { nil }

  public func write(_ weights: Buffer<Float>, to path: String) throws {
    try file.write(UnsafeBufferPointer(weights.all), to: path)
  }
}

private struct FileGradients: GradientSource {
  let file: GradientFile
  let columns: Range<Int>

  var rowCount: Int { file.rowCount }

  func collect(
    rows: Range<Int>, at weights: Buffer<Float>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try world.agree { try file.forEachRow(of: columns, rows: rows, store) }
  }
}
