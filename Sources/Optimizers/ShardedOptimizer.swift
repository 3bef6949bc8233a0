import Curvature
import Glibc
import LinearAlgebra
import MPI
import Sharding

/// An optimizer of which each rank holds the state of its own cells.
///
/// It sees slices of the mean gradient and of the parameters, and knows no network.
public protocol ShardedOptimizer<Element>: AnyObject {
  /// The scalar of parameters and gradients.
  associatedtype Element: Scalar

  /// Updates this rank's slice of the parameters. Collective.
  ///
  /// - Parameters:
  ///   - gradient: this rank's slice of the mean gradient, shape [d/p].
  ///   - parameters: this rank's slice, shape [d/p].
  ///   - learningRate: the step's.
  ///   - model: of the loss on the step's batch; nil where nobody has one.
  ///   - clock: charged with the step's phases.
  ///   - updated: is called as runs of the slice have their new values, one after another from its
  ///     start to its end: what is done may be sent while the rest is computed.
  /// - Returns: what the ranks saw, the same on all. Where the gradient's norm is not finite
  ///   nothing has changed on any rank.
  func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome

  /// Goes on with other parameters that stay zero: what has been gathered of these is forgotten,
  /// and of those that no longer do it begins with zeros. Collective, between two steps.
  ///
  /// - Parameters:
  ///   - groups: as they were, but for the parameters that stay zero.
  ///   - partition: as it was.
  func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) throws

  /// Between two steps, what it needs beside its settings to go on in another process.
  var state: OptimizerState { get }

  /// Becomes an optimizer of the same settings in another process, whose arrays those of `state`
  /// then take over.
  ///
  /// - Parameters:
  ///   - numbers: that one's.
  ///   - hasWindow: whether there are its window's arrays too; else the window is empty, and fills.
  /// - Throws: `StoredArrayError` where there could be no such optimizer.
  func resume(_ numbers: [String: Double], hasWindow: Bool) throws
}

/// The quadratic model of the loss on a step's batch, at the parameters before the step.
public struct QuadraticModel<Element: Scalar> {
  /// `δᵢᵀ G δⱼ` of k changes of the parameters, each of shape [d] and the same on all ranks, with
  /// the Gauss–Newton matrix G of the batch's mean loss: a matrix [k, k], the same on all ranks.
  /// Collective.
  public let gaussNewtonForm: ([UnsafeBufferPointer<Element>]) throws -> [Double]

  /// - Parameter gaussNewtonForm: is collective.
  public init(gaussNewtonForm: @escaping ([UnsafeBufferPointer<Element>]) throws -> [Double]) {
    self.gaussNewtonForm = gaussNewtonForm
  }
}

/// An optimizer that compares the change of the loss with the one that it predicts.
public protocol ChangePredictingOptimizer<Element>: ShardedOptimizer {
  /// Says how the loss on its own batch has changed by the step just taken, where the step's
  /// outcome predicts that; the same number on all ranks.
  func adapt(toChange actual: Double)
}

/// An optimizer that keeps a window of gradients.
public protocol WindowedOptimizer<Element>: ShardedOptimizer {
  /// Gradients in the window.
  var filled: Int { get }

  /// Fills the window's empty slots with random gradients, so that steps can be timed. Collective.
  ///
  /// - Parameter scale: the gradients' size.
  func fillWindow(scale: Double, on world: Communicator) throws

  /// The eigenvalues of the window's Gram matrix, in increasing order; none of an empty window.
  func spectrum() -> [Double]
}

/// An optimizer that wants statistics of the layers, micro-batch by micro-batch, before a step.
public protocol LayerStatisticsConsumer<Element>: ShardedOptimizer {
  /// Whether the next step's batch is one whose statistics are wanted; the same on all ranks.
  var wantsFactors: Bool { get }
  /// Where the sums for A and B of each layer lie among those of all; nowhere for a layer whose
  /// samples are wanted instead.
  var factorRanges: [[Range<Int>]] { get }
  /// What products with samples of layers are made with; nil where sums are wanted.
  var sampleOperator: CurvatureOperator? { get }
  /// The products with each layer's curvature until now.
  var productCounts: [Int] { get }

  /// Takes what will hold a step's samples, before the first step.
  ///
  /// - Parameter samples: for each layer but normalisations, those of each micro-batch of this
  ///   rank.
  func take(samples: [[LayerSamples<Element>]])

  /// The sums to be written for a micro-batch of this rank, those of a layer at `factorRanges`.
  func beginFactors(
    microBatch: Int, on world: Communicator
  ) throws -> UnsafeMutableBufferPointer<Element>

  /// Says that they are written.
  func endFactors(on world: Communicator) throws

  /// Completes the sums over the batch. Collective.
  func finishFactors(on world: Communicator) throws
}

/// What an optimizer can do beside stepping is asked for here alone.
extension ShardedOptimizer {
  /// What keeps a window of gradients.
  public var windowed: (any WindowedOptimizer<Element>)? {
    stepping as? any WindowedOptimizer<Element>
  }

  /// What wants statistics of the layers.
  public var layerStatistics: (any LayerStatisticsConsumer<Element>)? {
    stepping as? any LayerStatisticsConsumer<Element>
  }

  /// Itself, where it predicts the change of the loss in some steps.
  public var changePredicting: (any ChangePredictingOptimizer<Element>)? {
    self as? any ChangePredictingOptimizer<Element>
  }

  /// The optimizer itself, or the one that Levenberg and Marquardt's damping is wrapped around.
  private var stepping: any ShardedOptimizer<Element> {
    (self as? LevenbergMarquardt<Element>)?.base ?? self
  }
}

/// What an optimizer is between two steps.
public struct OptimizerState {
  /// By name, the same on every rank.
  public var numbers: [String: Double]
  /// Arrays that go with the window, the same on every rank.
  public var shared: [StoredArray] = []
  /// Of each cell of this rank its part of the window, where there is one.
  public var window: [[StoredArray]] = []
  /// Arrays with the curvature that only some ranks hold, by names of their own; one rank saves
  /// each.
  public var placed: [(array: StoredArray, isSaved: Bool)] = []
  /// Of each cell of this rank the moving averages.
  public var momentum: [[StoredArray]] = []

  init(numbers: [String: Double] = [:]) { self.numbers = numbers }
}

/// What all ranks saw in a step.
public struct StepOutcome: Sendable {
  /// Euclidean norm of the gradient, with the coupled weight decay, over the whole of d; where it
  /// is clipped, before both.
  public let gradientNorm: Double

  /// λ of the step, where the optimizer has one.
  public var damping: Double?

  /// The direction of the step, where it was measured.
  public var direction: DirectionMeasure?

  /// How the step's equations were solved, where there were some: the most iterations of a layer,
  /// and the largest residual that one was left with.
  public var equations: ConjugateGradients.Outcome?

  /// The change of the loss on the step's batch that a quadratic model predicts, where the
  /// optimizer wants to know the actual one.
  public var predictedChange: Double?

  /// What the user should know, where something has changed in how steps are taken.
  public var notice: Diagnostic?

  /// - Parameters:
  ///   - gradientNorm: not finite where the step is left out.
  ///   - notice: what the user should know.
  public init(gradientNorm: Double, notice: Diagnostic? = nil) {
    self.gradientNorm = gradientNorm
    self.notice = notice
  }

  /// Whether the parameters were updated: not where the gradient holds an infinity or a NaN.
  public var wasApplied: Bool { gradientNorm.isFinite }
}

/// The direction u along which a step goes, before the learning rate, beside its gradient g; over
/// the whole of d, the same on all ranks.
///
/// g is the gradient as the optimizer takes it: clipped, with coupled weight decay, and of M-FAC as
/// its window stores it. u is `F⁻¹g` of M-FAC, before momentum; of SGD the velocity, for its
/// direction before momentum is g; of AdamW `m̂/(√v̂ + ε)`.
public struct DirectionMeasure: Sendable, Equatable {
  /// ‖u‖.
  public let norm: Double
  /// `arccos(g·u/(‖g‖‖u‖))`, in degrees; nil where g or u is zero, or where it
  /// is not known.
  public let angle: Double?

  /// - Parameters:
  ///   - u: u·u and g·u.
  ///   - gradientSquare: g·g.
  init(_ u: DirectionProducts, gradientSquare: Double) {
    norm = u.square.squareRoot()
    let lengths = norm * gradientSquare.squareRoot()
    let cosine = u.withGradient / lengths
    angle =
      lengths > 0 && lengths.isFinite && cosine.isFinite
      ? acos(min(max(cosine, -1), 1)) * 180 / .pi : nil
  }
}
