import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Holds the settings of an optimizer, the same on all ranks. It also predicts the optimizer's
/// memory and load before the optimizer is made.
///
/// A new optimizer is one such type, its `ShardedOptimizer`, and a line in `OptimizerRegistry`.
public protocol OptimizerConfiguration: Codable, Equatable, Sendable {
  /// The name that the user types.
  static var name: String { get }
  /// True if the optimizer needs a network's layers or matrices, which a loss function alone does
  /// not have.
  static var needsNetwork: Bool { get }
  /// True if the optimizer has a λ, and curvature that a checkpoint may omit.
  static var isDamped: Bool { get }

  /// Creates the program's default settings.
  init()

  /// The number of steps after which the sequence of step kinds repeats.
  var period: Int { get }
  /// Keys of the settings that a checkpoint depends on: with other values, its contents have
  /// another meaning.
  var fixedSettings: [String] { get }

  /// Returns a summary of the optimizer for the user.
  ///
  /// - Parameter learningRate: the schedule's base rate.
  func summary(learningRate: Double) -> String

  /// Returns what each rank sends and computes per step at the configured intervals.
  func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps) -> OptimizerLoad

  /// Makes the optimizer's part on this rank. Collective.
  func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) throws -> any ShardedOptimizer<Element>
}

/// Describes the parameters for which an optimizer is made, and the options of its steps.
public struct OptimizerContext<Element: Scalar>: Sendable {
  /// The cells of the parameters, and their owners.
  public var partition: CellPartition
  /// The groups of the parameters, each with its own settings.
  public var groups: ParameterGroups
  /// The network's tensors in the order of the parameters; empty for a loss without a network.
  public var tensors: [ParameterTensor]
  /// The layers whose statistics are collected; empty if the optimizer uses none.
  public var layers: [FactoredLayer]
  /// Assigns micro-batches to ranks.
  public var microBatches: Partition
  /// Gradients with a larger norm are scaled down to it; nil: no clipping.
  public var clipNorm: Double?
  /// True if step outcomes must include the direction, even if that takes a sum over the ranks per
  /// step.
  public var measuresDirection: Bool

  /// Creates a context, by default without layers, tensors and clipping.
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

/// Describes a tensor of a network, as far as optimizers distinguish tensors.
public struct ParameterTensor: Sendable, Equatable {
  /// Names a tensor's use in the network.
  public enum Role: Sendable, Equatable {
    /// The weight of a hidden layer, [rows, columns] row-major; a convolution's is [out,
    /// in·kernel·kernel].
    case matrix(rows: Int, columns: Int)
    /// A table of token or position embeddings.
    case embedding
    /// The weight of the output layer.
    case head
    /// A bias, or a normalization layer's γ or β.
    case vector
  }

  /// The name as users know it.
  public let name: String
  /// The tensor's elements among the parameters.
  public let range: Range<Int>
  public let role: Role

  /// Creates the description of a tensor.
  ///
  /// - Parameter range: its length equals the number of elements of the role's matrix.
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

/// Records steps that were measured on one rank, for a prediction.
public struct MeasuredSteps: Sendable {
  /// The number of steps, a multiple of the period.
  public let count: Int
  /// Products with each layer's curvature in these steps; the same at any number of ranks.
  public let products: [Int]

  /// Creates the record.
  ///
  /// - Parameter count: a multiple of the period.
  public init(count: Int, products: [Int]) {
    self.count = count
    self.products = products
  }
}

/// Predicts, from sizes alone, what each rank sends and computes per step.
public struct OptimizerLoad: Sendable {
  /// Traffic of each rank by phase: the mean over a period's steps, rounded up.
  public var traffic: [Phase: [Traffic]]
  /// Each rank's share of the work that one rank alone does in a phase. The work of an unlisted
  /// phase is divided like the parameters.
  public var shares: [Phase: [Double]] = [:]
  /// True if the phase `inverse` computes products of each micro-batch, and `exchange` sums them.
  public var multipliesMicroBatches = false

  init(traffic: [Phase: [Traffic]]) { self.traffic = traffic }
}

/// Represents a configuration of an optimizer that keeps a window of gradients.
public protocol WindowedConfiguration: OptimizerConfiguration {
  /// The number of gradients in the window, m.
  var window: Int { get }
  /// Steps between two insertions.
  var insertEvery: Int { get }
  /// Returns the bytes that recomputing the Gram matrix takes when the set of parameters that stay
  /// zero changes.
  func bytesOfNewGram<Element>(_ context: OptimizerContext<Element>) -> Int
}

/// Represents a configuration of an optimizer that uses statistics of the layers.
public protocol LayerStatisticsConfiguration: OptimizerConfiguration {
  /// The settings of the statistics.
  var statistics: KroneckerSettings { get }
  /// The operator of products with layer samples; nil if the optimizer uses sums for factors
  /// instead.
  var sampleOperator: CurvatureOperator? { get }
  /// The number of parameter changes in one call of the Gauss–Newton form.
  var formCount: Int { get }
}

/// Represents a configuration that can suggest settings with a smaller memory use.
public protocol MemorySavingConfiguration: OptimizerConfiguration {
  /// Returns settings to use for a run that does not fit in memory; nil if none of this optimizer's
  /// settings helps.
  ///
  /// - Parameter fits: returns whether a run with the given configuration fits.
  func memoryRemedy(fits: (Self) throws -> Bool) rethrows -> Diagnostic?
}

/// This extension alone queries the optional capabilities of a configuration's optimizer.
extension OptimizerConfiguration {
  /// Returns the bytes that the optimizer holds on this rank. Collective.
  public func bytes<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) throws -> Int {
    try MemoryCount.of { try make(context, on: world) }.total
  }

  /// The configuration itself if its optimizer keeps a window of gradients, else nil.
  public var windowed: (any WindowedConfiguration)? { self as? any WindowedConfiguration }

  /// The configuration itself if its optimizer uses statistics of the layers, else nil.
  public var layerStatistics: (any LayerStatisticsConfiguration)? {
    self as? any LayerStatisticsConfiguration
  }

  /// The configuration itself if it can suggest settings with a smaller memory use, else nil.
  public var memorySaving: (any MemorySavingConfiguration)? {
    self as? any MemorySavingConfiguration
  }
}

extension Traffic {
  /// Returns this traffic divided by `steps`, rounded up.
  package func mean(over steps: Int) -> Traffic {
    Traffic(
      messages: (messages + steps - 1) / steps, bytes: (bytes + steps - 1) / steps)
  }
}
