import Curvature
import Formats
import Foundation
import LinearAlgebra
import MPI
import Pruning
import Sharding
import TrainedModels
import Training

/// The empirical Fisher matrix of a model; computes and writes the answers to queries.
struct QueriedFisher<Number: Scalar> {
  let model: any TrainedModel<Number>
  /// The slice of each rank, as coordinates in [0, d).
  let slices: [Range<Int>]
  let world: Communicator
  /// m, the number of gradients.
  let rowCount: Int
  private let settings: QuerySettings
  private let damping: Double?

  private let partition: CellPartition
  private let gradients: any GradientSource<Number>

  /// This rank's slice.
  var slice: Range<Int> { slices[world.rank] }

  /// Reads the model, checks that there is enough memory, and prints the run summary. Collective.
  ///
  /// - Parameter damping: λ; nil if the query needs no inverse.
  init(_ settings: QuerySettings, damping: Double?, on world: Communicator) throws {
    (self.settings, self.damping) = (settings, damping)
    self.world = world
    try world.requireSameArithmetic()
    try world.requireSame(
      "the command line", CommandLine.arguments.dropFirst().joined(separator: " "))
    let model = try settings.source.load(as: Number.self, on: world)
    self.model = model
    let partition = CellPartition(Cells(parameterCount: model.count), over: world.size)
    let slices = partition.slices
    (self.partition, self.slices) = (partition, slices)
    let blocks = partition.cellsInSlice(of: world.rank)
    try world.agree {
      if world.rank == 0, let output = settings.output {
        try checkIsFree(output, "--output")
      }
    }
    let isDouble = (model as? ForeignModel<Number>)?.hasDoubleGradients ?? false
    let scalar: any Scalar.Type = isDouble ? Double.self : Number.self
    gradients = try model.gradients(
      of: partition,
      kept: { count in
        GradientRows.bytes(count: count, blocks: blocks, of: scalar)
          + InverseFisher.bytes(count: count, partition: partition)
          // Memory for a vector, for the answer of all ranks, and for its iterative refinement.
          + 8 * (3 * model.count + 8 * partition.slice(of: world.rank).count)
      }, on: world)
    rowCount = gradients.rowCount
    say(
      """
      data       \(model.data)
      network    \(model.name), d = \(model.count) parameters
      weights    \(settings.source.files.weights)
      matrix     \(rowCount) gradients\(damping.map { ", λ = \($0)" } ?? "")
      ranks      \(world.size)

      """)
  }

  /// Returns the gradients as rows, in double precision if their file has it. Collective.
  private func rows() throws -> GradientRows {
    if let foreign = model as? ForeignModel<Number>, foreign.hasDoubleGradients {
      return try foreign.doubleGradients(of: partition, on: world)
    }
    let rows = GradientRows(
      count: rowCount, blocks: partition.cellsInSlice(of: world.rank), of: Number.self)
    try gradients.collect(rows: 0..<rowCount, at: model.weights, over: world) { row, slice in
      rows.store(slice, row: row)
    }
    return rows
  }

  /// Returns F⁻¹ at the query's λ. Collective.
  func inverse() throws -> InverseFisher {
    guard let damping else { preconditionFailure("an inverse without λ") }
    return try InverseFisher(
      of: rows(), firstCoordinate: slice.lowerBound, damping: damping,
      fold: world.fold(over: partition))
  }

  /// Returns the m eigenvalues of (1/m) GᵀG that may differ from 0, in decreasing order.
  /// Collective.
  func eigenvalues() throws -> [Double] {
    try InverseFisher.eigenvalues(of: rows(), fold: world.fold(over: partition))
  }

  /// Prints the bound on the error of the answers.
  func sayError(of inverse: InverseFisher) {
    say("relative error of the answer: at most \(String(format: "%.0e", inverse.error))")
  }

  /// Opens a file of vectors in the shape of the model's weights. Collective.
  func vectors(_ path: String) throws -> VectorFile {
    try world.agree {
      try VectorFile(path, of: model, weights: settings.source.files.weights)
    }
  }

  /// Returns a source of the loss gradients of test examples, one example per gradient. Collective.
  func testGradients(of examples: Range<Int>) throws -> any GradientSource<Number> {
    let source = try world.agree {
      guard let network = model as? TrainedNetwork<Number> else {
        throw InputError(
          "--test-examples", "require --model and its data", expected: "--vectors FILE",
          got: "\(examples.count) with a file of gradients")
      }
      let test = network.dataset.test
      guard examples.upperBound <= test.count else {
        throw InputError(
          "--test-examples", "beyond the end of the test part",
          expected: "0 to \(test.count - 1)", got: "\(examples.upperBound - 1)")
      }
      return (network, test)
    }
    return try source.0.gradients(
      of: source.1, order: .sequential, rowCount: examples.count, examplesPerRow: 1,
      slices: slices, kept: { _ in 0 }, on: world)
  }

  /// Returns this rank's slice of one gradient.
  func slice(ofRow row: Int, of gradients: any GradientSource<Number>) throws -> [Double] {
    var local: [Double] = []
    try gradients.collect(
      rows: row..<row + 1, at: model.weights, over: world
    ) { _, slice in local = slice.map(Double.init) }
    return local
  }

  /// Returns the sum over all d coordinates; `local` holds those of this rank's slice. Collective.
  func sum(_ local: [Double]) throws -> Double {
    let parts = partition.cellsInSlice(of: world.rank).map { cell in
      local[cell].reduce(0, +)
    }
    return try TreeSum(partition, rank: world.rank).total(of: parts, on: world)
  }

  func say(_ text: String) {
    guard world.rank == 0 else { return }
    print(text)
    fflush(nil)
  }

  /// Writes vectors in the shape of the weights. Collective.
  ///
  /// - Parameters:
  ///   - vectors: this rank's slice of each vector.
  ///   - count: k, to write [k, d]; nil to write a single vector as [d].
  func write(vectors: [[Double]], count: Int?) throws {
    guard let output = settings.output else { return }
    let d = model.count
    var whole: [Double] = []
    for local in vectors {
      var vector = [Double](repeating: 0, count: d)
      try world.allGather(local, counts: slices.map(\.count), into: &vector)
      if world.rank == 0 { whole += vector }
    }
    let leading = count.map { [$0] } ?? []
    guard output.hasSuffix(".safetensors") else {
      return try write(array: whole, shape: leading + [d])
    }
    let tensors = model.tensors.map { ($0.name, TensorType.float64, leading + $0.shape) }
    try finish(output) { file throws(InputError) in
      try SafetensorsFile.write(tensors, to: file) { index, memory in
        let range = model.tensors[index].range
        let numbers = memory.bindMemory(to: Double.self)
        for vector in 0..<vectors.count {
          for i in range {
            numbers[vector * range.count + i - range.lowerBound] = whole[vector * d + i]
          }
        }
      }
    }
  }

  /// Writes numbers that are equal on all ranks. Collective.
  ///
  /// - Parameters:
  ///   - numbers: elements of the array, in row-major order.
  ///   - name: name of the tensor in a safetensors file.
  ///   - examples: indices of each row's examples, [m, b]; written to a safetensors file only.
  func write(
    _ numbers: [Double], shape: [Int], as name: String, examples: [[Int]]? = nil
  ) throws {
    guard let output = settings.output else { return }
    guard output.hasSuffix(".safetensors") else { return try write(array: numbers, shape: shape) }
    var tensors: [(String, TensorType, [Int])] = [(name, .float64, shape)]
    if let examples {
      tensors.append(("examples", .int64, [examples.count, examples.first?.count ?? 0]))
    }
    try finish(output) { file throws(InputError) in
      try SafetensorsFile.write(tensors, to: file) { index, memory in
        if index == 0 {
          numbers.withUnsafeBytes { memory.copyMemory(from: $0) }
        } else {
          examples!.flatMap { $0.map(Int64.init) }.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
      }
    }
  }

  private func write(array numbers: [Double], shape: [Int]) throws {
    guard let output = settings.output else { return }
    try world.agree {
      guard world.rank == 0 else { return }
      try NPYFile.write(numbers, shape: shape, to: output)
    }
    say("The answer is in \(output).")
  }

  private func finish(
    _ output: String, _ fill: (OutputFile) throws(InputError) -> Void
  ) throws {
    try world.agree {
      guard world.rank == 0 else { return }
      try AtomicFile.write(to: output, fill)
    }
    say("The answer is in \(output).")
  }
}

/// Checks that a file does not exist and can be created.
///
/// - Throws: `InputError` naming the flag and the file.
func checkIsFree(_ output: String, _ flag: String) throws(InputError) {
  let slash = output.lastIndex(of: "/")
  let directory = slash.map { String(output[...$0]) } ?? "./"
  guard access(directory, W_OK | X_OK) == 0 else {
    throw .system(flag, "'\(output)' cannot be created")
  }
  guard access(output, F_OK) != 0 else {
    throw InputError(flag, "\(output) already exists", expected: "another name")
  }
}
