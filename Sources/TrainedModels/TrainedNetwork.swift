import Datasets
import Formats
import LinearAlgebra
import MPI
import Networks
import Pruning
import Sharding

/// A network that this package computes; provides gradients of its loss on a dataset.
public final class TrainedNetwork<Element: Scalar>: TrainedModel {
  public let name: String
  /// The network's layers.
  public let description: NetworkDescription
  /// Data for gradients and evaluation.
  public let dataset: Dataset
  /// The loss whose gradients are computed.
  public let loss: Loss
  public let tensors: [WeightFile.Tensor]
  public let weights: Buffer<Element>
  /// Running statistics, shape [s].
  public let state: Buffer<Element>
  private let rowCount: Int
  private let examplesPerRow: Int
  private let seed: UInt64
  /// The network for evaluation. Its chunks of examples are fixed, and so are the sums over them.
  private let network: Network<Element>

  public var data: String { "\(dataset)" }
  public var others: [TensorContent] {
    description.stateLayout.entries(of: state.all).map {
      TensorContent(name: $0.name, shape: $0.shape, values: $0.values)
    }
  }
  public var multiplyAddsPerWeight: [Int]? { description.multiplyAddsPerWeight }

  /// Reads the weights, and checks that all ranks have read the same. Collective.
  ///
  /// - Parameters:
  ///   - path: a safetensors file.
  ///   - dataset: data that the network has been checked against.
  ///   - rowCount: m.
  ///   - examplesPerRow: b; a row is the mean gradient over b examples.
  ///   - seed: the seed of the examples' order.
  public init(
    _ description: NetworkDescription, name: String, weights path: String, dataset: Dataset,
    loss: Loss, rowCount: Int, examplesPerRow: Int, seed: UInt64, on world: Communicator
  ) throws {
    _ = try dataset.requireSame(on: world)
    let weights = Buffer<Element>(count: description.layout.count)
    let state = Buffer<Element>(count: description.stateLayout.count)
    try world.agree {
      try description.readWeights(from: path, into: weights.all, state: state.all)
    }
    try world.requireSame(parameters: weights.all, state: state.all)
    network = try Network<Element>(description, maximumBatch: min(64, dataset.test.count))
    tensors = description.layout.tensors.map {
      WeightFile.Tensor(name: $0.name, shape: $0.shape, type: .float32, range: $0.range)
    }
    (self.weights, self.state) = (weights, state)
    (self.description, self.name, self.dataset, self.loss) = (description, name, dataset, loss)
    (self.rowCount, self.examplesPerRow, self.seed) = (rowCount, examplesPerRow, seed)
  }

  public func gradients(
    of partition: CellPartition, holdingOut heldOut: (Int) throws -> Int, pagedIn pages: String?,
    kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> (source: any GradientSource<Element>, judge: (any HeldOutJudge<Element>)?) {
    let slices = partition.slices
    let count = try world.agree { try heldOut(dataset.training.count) }
    let (judging, rest) = ExampleSubset.split(dataset.training, holdingOut: count, seed: seed)
    let source = try gradients(
      of: count == 0 ? dataset.training : rest, rowCount: rowCount, examplesPerRow: examplesPerRow,
      slices: slices, kept: kept, on: world)
    let judge =
      count == 0
      ? nil
      : HeldOutExamples(
        judging, network: network, loss: loss, state: state, parameterCount: self.count,
        slices: slices)
    return (source, judge)
  }

  /// Prepares to collect gradients of given examples instead of the training part's. Collective.
  public func gradients(
    of examples: any Examples, order: BatchOrder.Order = .shuffled, rowCount: Int,
    examplesPerRow: Int, slices: [Range<Int>], kept: (_ rowCount: Int) -> Int,
    on world: Communicator
  ) throws -> any GradientSource<Element> {
    func collection() throws -> GradientCollection<Element> {
      try GradientCollection(
        of: description, loss: loss, on: examples, order: order, examplesPerRow: examplesPerRow,
        seed: seed, slices: slices, over: world)
    }
    let count = try world.agree { try MemoryCount.of(collection) }
    func memory(rows: Int) -> MemoryPlan { MemoryPlan(gradients: kept(rows), collection: count) }
    try memory(rows: rowCount).check(on: world) { fits in
      var (fitting, rows) = (0, rowCount)
      while fitting + 1 < rows {
        let middle = (fitting + rows) / 2
        if fits(memory(rows: middle)) { fitting = middle } else { rows = middle }
      }
      return fitting > 0 ? "\(setting: "gradients", fitting) is the most that fits" : nil
    }
    return try world.agree {
      NetworkGradients(rowCount: rowCount, collection: try collection(), state: state)
    }
  }

  /// Returns the training examples of each of some rows of gradients; rows and examples count from
  /// 0.
  public func examples(ofRows rows: Range<Int>) throws(InputError) -> [[Int]] {
    var batches = try BatchOrder.ofRows(
      of: dataset.training, examplesPerRow: examplesPerRow, seed: seed)
    return rows.map { Array(batches.indices(step: $0)) }
  }

  public func evaluation(
    of weights: Buffer<Element>, on world: Communicator
  ) throws -> Evaluation? {
    try Evaluation(
      of: network, parameters: weights, state: state, on: dataset.test, loss: loss, over: world)
  }

  public func write(_ weights: Buffer<Element>, to path: String) throws {
    try description.writeWeights(weights.all, state: state.all, to: path)
  }
}

private struct NetworkGradients<Element: Scalar>: GradientSource {
  let rowCount: Int
  let collection: GradientCollection<Element>
  let state: Buffer<Element>

  func collect(
    rows: Range<Int>, at weights: Buffer<Element>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Element>) throws -> Void
  ) throws {
    _ = try collection.collect(
      rows: rows, parameters: UnsafeBufferPointer(weights.all),
      state: UnsafeBufferPointer(state.all), over: world, store: store)
  }
}

/// Judges weights by the network's loss on training examples that no row of gradients uses.
private struct HeldOutExamples<Element: Scalar>: HeldOutJudge {
  private let examples: ExampleSubset
  private let network: Network<Element>
  private let loss: Loss
  /// `state` [s], and `parameters` [d], the weights of all ranks.
  private let (state, parameters): (Buffer<Element>, Buffer<Element>)
  private let slices: [Range<Int>]

  init(
    _ examples: ExampleSubset, network: Network<Element>, loss: Loss, state: Buffer<Element>,
    parameterCount: Int, slices: [Range<Int>]
  ) {
    self.examples = examples
    self.network = network
    self.loss = loss
    self.state = state
    parameters = Buffer(count: parameterCount)
    self.slices = slices
  }

  func loss(of weights: UnsafeBufferPointer<Element>, on world: Communicator) throws -> Double {
    _ = parameters[slices[world.rank]].update(fromContentsOf: weights)
    try world.allGather(parameters.all, slices: slices)
    return try Evaluation(
      of: network, parameters: parameters, state: state, on: examples, loss: loss, over: world
    ).loss
  }
}
