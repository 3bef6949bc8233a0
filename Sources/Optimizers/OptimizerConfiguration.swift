import Curvature
import LinearAlgebra
import MPI
import Sharding

/// The settings of an optimizer, the same on all ranks, and what follows from them before it is
/// made.
///
/// A new optimizer is one such type, its `ShardedOptimizer`, and a line in `OptimizerRegistry`.
public protocol OptimizerConfiguration: Codable, Equatable, Sendable {
  /// The name that the user types.
  static var name: String { get }
  /// Whether it is made of a network's layers or matrices, which a loss function alone does not
  /// have.
  static var needsNetwork: Bool { get }
  /// Whether it has a λ, and curvature that a checkpoint may leave out.
  static var isDamped: Bool { get }

  /// The program's defaults.
  init()

  /// Steps after which all kinds of steps have had their turn.
  var period: Int { get }
  /// The settings, as they are typed, without which a checkpoint of theirs means something else.
  var fixedSettings: [String] { get }

  /// What runs, for people.
  ///
  /// - Parameter learningRate: the schedule's base rate.
  func summary(learningRate: Double) -> String

  /// What each rank sends and does in a step of the program's intervals.
  func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps) -> OptimizerLoad

  /// Makes the part of the optimizer that lives on this rank. Collective.
  func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) throws -> any ShardedOptimizer<Element>
}

/// What an optimizer of parameters of a scalar is made for.
public struct OptimizerContext<Element: Scalar>: Sendable {
  /// The cells of the parameters, and who owns them.
  public var partition: CellPartition
  /// How parts of the parameters are treated.
  public var groups: ParameterGroups
  /// The network's tensors in the order of the parameters; none where the loss is not a network's.
  public var tensors: [ParameterTensor]
  /// The layers of which statistics are gathered; none where the optimizer wants none.
  public var layers: [FactoredLayer]
  /// Who computes which micro-batch.
  public var microBatches: Partition
  /// The largest norm that a gradient keeps, or nil.
  public var clipNorm: Double?
  /// Whether outcomes have the direction, also where that takes a sum over the ranks in each step.
  public var measuresDirection: Bool

  /// Without layers, tensors and clipping where nothing else is given.
  public init(
    partition: CellPartition, groups: ParameterGroups = ParameterGroups(),
    tensors: [ParameterTensor] = [], layers: [FactoredLayer] = [], microBatches: Partition,
    clipNorm: Double? = nil, measuresDirection: Bool = false
  ) {
    self.partition = partition
    self.groups = groups
    self.tensors = tensors
    self.layers = layers
    self.microBatches = microBatches
    self.clipNorm = clipNorm
    self.measuresDirection = measuresDirection
  }
}

/// A tensor of a network, as optimizers distinguish them.
public struct ParameterTensor: Sendable, Equatable {
  /// What a network does with a tensor.
  public enum Role: Sendable, Equatable {
    /// The weight of a hidden layer, [rows, columns] row-major; a convolution's is
    /// [out, in·kernel·kernel].
    case matrix(rows: Int, columns: Int)
    /// A table of embeddings, of tokens or of positions.
    case embedding
    /// The weight of the layer that makes the outputs.
    case head
    /// A bias, or a normalisation layer's γ or β.
    case vector
  }

  /// As the user knows it.
  public let name: String
  /// Its elements among the parameters.
  public let range: Range<Int>
  /// What the network does with it.
  public let role: Role

  /// - Parameter range: as many elements as the role's matrix has.
  public init(name: String, range: Range<Int>, role: Role) {
    if case .matrix(let rows, let columns) = role {
      precondition(
        range.count == rows * columns, "\(name): \(range.count) elements in [\(rows), \(columns)]")
    }
    self.name = name
    self.range = range
    self.role = role
  }
}

/// Steps that were measured on one rank, for a prediction.
public struct MeasuredSteps: Sendable {
  /// A multiple of the period.
  public let count: Int
  /// The products with each layer's curvature in these steps: as many as with any number of ranks.
  public let products: [Int]

  /// - Parameter count: a multiple of the period.
  public init(count: Int, products: [Int]) {
    self.count = count
    self.products = products
  }
}

/// What each rank sends and does in a step, from sizes alone: for predictions.
public struct OptimizerLoad: Sendable {
  /// What each rank sends, by phase: the mean over a period's steps, rounded up.
  public var traffic: [Phase: [Traffic]]
  /// The share of each rank in what one rank alone does in a phase; a phase that is not here is
  /// shared out as the parameters are.
  public var shares: [Phase: [Double]] = [:]
  /// Whether the inverses are products that each micro-batch makes, and the exchanges their sums.
  public var multipliesMicroBatches = false

  init(traffic: [Phase: [Traffic]]) { self.traffic = traffic }
}

/// A configuration of an optimizer that keeps a window of gradients.
public protocol WindowedConfiguration: OptimizerConfiguration {
  /// m.
  var window: Int { get }
  /// Steps from one insertion to the next.
  var insertEvery: Int { get }
  /// Bytes that sums over the window take while other parameters begin or cease to stay zero.
  func bytesOfNewGram<Element>(_ context: OptimizerContext<Element>) -> Int
}

/// A configuration of an optimizer that wants statistics of the layers.
public protocol LayerStatisticsConfiguration: OptimizerConfiguration {
  /// Which statistics.
  var statistics: KroneckerSettings { get }
  /// What products with samples of layers are made with; nil where their factors' sums are wanted.
  var sampleOperator: CurvatureOperator? { get }
  /// Changes of the parameters for which the Gauss–Newton matrix is asked at once.
  var formCount: Int { get }
}

/// A configuration that knows how to take less memory.
public protocol MemorySavingConfiguration: OptimizerConfiguration {
  /// What to type for a run that does not fit; nil where nothing of its own helps.
  ///
  /// - Parameter fits: whether a run with such a configuration does.
  func memoryRemedy(fits: (Self) throws -> Bool) rethrows -> Diagnostic?
}

/// What a configuration's optimizer can do beside stepping is asked for here alone.
extension OptimizerConfiguration {
  /// Bytes that the optimizer holds on this rank. Collective.
  public func bytes<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) throws -> Int {
    try MemoryCount.of { try make(context, on: world) }.total
  }

  /// Itself, where its optimizer keeps a window of gradients.
  public var windowed: (any WindowedConfiguration)? { self as? any WindowedConfiguration }

  /// Itself, where its optimizer wants statistics of the layers.
  public var layerStatistics: (any LayerStatisticsConfiguration)? {
    self as? any LayerStatisticsConfiguration
  }

  /// Itself, where it knows how to take less memory.
  public var memorySaving: (any MemorySavingConfiguration)? {
    self as? any MemorySavingConfiguration
  }
}

extension Traffic {
  /// In a step, of what is sent in one of so many; rounded up.
  package func mean(over steps: Int) -> Traffic {
    Traffic(
      messages: (messages + steps - 1) / steps, bytes: (bytes + steps - 1) / steps)
  }
}
