import Curvature
import Glibc
import LinearAlgebra
import MPI
import Sharding

/// Represents an optimizer of which each rank holds the state of its own cells.
///
/// It works on slices of the mean gradient and of the parameters, and does not depend on a network.
public protocol ShardedOptimizer<Element>: AnyObject {
  /// The scalar of parameters and gradients.
  associatedtype Element: Scalar

  /// Updates this rank's slice of the parameters. Collective.
  ///
  /// - Parameters:
  ///   - gradient: this rank's slice of the mean gradient, shape [d/p].
  ///   - parameters: this rank's slice, shape [d/p].
  ///   - learningRate: the step's learning rate, η.
  ///   - model: a quadratic model of the loss on the step's batch; nil if the caller has none.
  ///   - clock: charged with the step's phases.
  ///   - updated: is called when a run of the slice has its new values. Runs are consecutive, from
  ///     the slice's start to its end, so the caller may send them while the rest is computed.
  /// - Returns: the outcome, the same on all ranks. If the gradient's norm is not finite, nothing
  ///   has changed on any rank.
  func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome

  /// Continues with another set of parameters that stay zero. The state of parameters that now stay
  /// zero is discarded. The state of those that no longer do starts at zero. Collective, between
  /// two steps.
  ///
  /// - Parameters:
  ///   - groups: unchanged, except for the parameters that stay zero.
  ///   - partition: unchanged.
  func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) throws

  /// The state between two steps that another process needs, besides the settings, to continue.
  var state: OptimizerState { get }

  /// Restores the numbers of an optimizer with the same settings. The arrays of this optimizer's
  /// `state` then take over the saved arrays.
  ///
  /// - Parameters:
  ///   - numbers: the numbers of the saved state.
  ///   - hasWindow: whether the window's arrays are restored too; if not, the window is empty and
  ///     fills.
  /// - Throws: `StoredArrayError` if no such optimizer can exist.
  func resume(_ numbers: [String: Double], hasWindow: Bool) throws
}

/// Represents the quadratic model of the loss on a step's batch, at the parameters before the step.
public struct QuadraticModel<Element: Scalar> {
  /// The mean loss of the batch.
  public let loss: Double
  /// Returns the matrix `δᵢᵀ G δⱼ`, shape [k, k], for k changes of the parameters, each of shape
  /// [d]. G is the Gauss–Newton matrix of the batch's mean loss. Changes and result are the same on
  /// all ranks. Collective. Nil if the caller has no network.
  public let gaussNewtonForm: (([UnsafeBufferPointer<Element>]) throws -> [Double])?

  /// Creates a model.
  ///
  /// - Parameters:
  ///   - loss: the mean loss of the batch.
  ///   - gaussNewtonForm: a collective function.
  public init(
    loss: Double, gaussNewtonForm: (([UnsafeBufferPointer<Element>]) throws -> [Double])? = nil
  ) {
    self.loss = loss
    self.gaussNewtonForm = gaussNewtonForm
  }
}

/// Represents an optimizer that compares the change of the loss with its prediction.
public protocol ChangePredictingOptimizer<Element>: ShardedOptimizer {
  /// Adapts the optimizer to the actual change of the loss on the last step's batch, if the step's
  /// outcome predicted one. The number is the same on all ranks.
  func adapt(toChange actual: Double)
}

/// Represents an optimizer that keeps a window of gradients.
public protocol WindowedOptimizer<Element>: ShardedOptimizer {
  /// The number of gradients in the window.
  var filled: Int { get }

  /// Fills the window's empty slots with random gradients, so that steps can be timed. Collective.
  ///
  /// - Parameter scale: the entries are drawn from [−scale, scale).
  func fillWindow(scale: Double, on world: Communicator) throws

  /// Returns the eigenvalues of the window's Gram matrix, in increasing order; empty for an empty
  /// window.
  func spectrum() -> [Double]
}

/// Represents an optimizer that uses statistics of the layers, collected by micro-batch before a
/// step.
public protocol LayerStatisticsConsumer<Element>: ShardedOptimizer {
  /// True if the next step's batch needs statistics; the same on all ranks.
  var wantsFactors: Bool { get }
  /// The ranges of each layer's sums for A and B in the vector of all sums; empty for a layer that
  /// uses samples instead.
  var factorRanges: [[Range<Int>]] { get }
  /// The operator of products with layer samples; nil if the optimizer uses sums instead.
  var sampleOperator: CurvatureOperator? { get }
  /// The number of products with each layer's curvature so far.
  var productCounts: [Int] { get }

  /// Receives, before the first step, the objects that will hold each step's samples.
  ///
  /// - Parameter samples: one array per layer, without normalization layers; each has one element
  ///   per micro-batch of this rank.
  func take(samples: [[LayerSamples<Element>]])

  /// Returns the memory for the sums of a micro-batch of this rank. The caller writes each layer's
  /// sums at `factorRanges`.
  func beginFactors(
    microBatch: Int, on world: Communicator
  ) throws -> UnsafeMutableBufferPointer<Element>

  /// Marks these sums as written.
  func endFactors(on world: Communicator) throws

  /// Completes the sums over the batch. Collective.
  func finishFactors(on world: Communicator) throws
}

/// This extension alone queries an optimizer's optional capabilities.
extension ShardedOptimizer {
  /// The optimizer that keeps a window of gradients, or nil.
  public var windowed: (any WindowedOptimizer<Element>)? {
    stepping as? any WindowedOptimizer<Element>
  }

  /// The optimizer that uses statistics of the layers, or nil.
  public var layerStatistics: (any LayerStatisticsConsumer<Element>)? {
    stepping as? any LayerStatisticsConsumer<Element>
  }

  /// The optimizer itself if it predicts the change of the loss in some steps, else nil.
  public var changePredicting: (any ChangePredictingOptimizer<Element>)? {
    self as? any ChangePredictingOptimizer<Element>
  }

  /// The optimizer itself, or the one inside the Levenberg–Marquardt wrapper.
  private var stepping: any ShardedOptimizer<Element> {
    (self as? LevenbergMarquardt<Element>)?.base ?? self
  }
}

/// Holds an optimizer's state between two steps.
public struct OptimizerState {
  /// Numbers by name, the same on every rank.
  public var numbers: [String: Double]
  /// Arrays stored with the window, the same on every rank.
  public var shared: [StoredArray] = []
  /// The window's arrays of each cell of this rank; empty if there is no window.
  public var window: [[StoredArray]] = []
  /// Arrays of the curvature that only some ranks hold, under unique names; one rank saves each.
  public var placed: [(array: StoredArray, isSaved: Bool)] = []
  /// The moving averages of each cell of this rank.
  public var momentum: [[StoredArray]] = []

  init(numbers: [String: Double] = [:]) { self.numbers = numbers }
}

/// Reports the outcome of a step, the same on all ranks.
public struct StepOutcome: Sendable {
  /// Euclidean norm of the gradient over the whole of d, with coupled weight decay. If the gradient
  /// is clipped, it is the norm before clipping and decay.
  public let gradientNorm: Double

  /// λ of the step, if the optimizer has one.
  public var damping: Double?

  /// The direction of the step, if it was measured.
  public var direction: DirectionMeasure?

  /// The factor by which a bound on the predicted change has shortened the step; nil without such
  /// a bound, and in steps that do not predict it.
  public var rateFactor: Double?

  /// The largest number of iterations and the largest residual over the layers, if the step solved
  /// equations.
  public var equations: ConjugateGradients.Outcome?

  /// The change of the loss on the step's batch that a quadratic model predicts; set if the
  /// optimizer needs the actual change.
  public var predictedChange: Double?

  /// A message for the user if the way steps are taken has changed.
  public var notice: Diagnostic?

  /// Creates the outcome of a step.
  ///
  /// - Parameters:
  ///   - gradientNorm: not finite if the step is skipped.
  ///   - notice: a message for the user.
  public init(gradientNorm: Double, notice: Diagnostic? = nil) {
    self.gradientNorm = gradientNorm
    self.notice = notice
  }

  /// True if the parameters were updated; false if the gradient's norm is not finite.
  public var wasApplied: Bool { gradientNorm.isFinite }
}

/// Measures the direction u of a step, before the learning rate, and its angle to the gradient g.
/// Both cover the whole of d; the result is the same on all ranks.
///
/// The gradient g is the one that the optimizer uses: clipped, with coupled weight decay, and for
/// M-FAC in the window's stored form.
///
/// | optimizer | u |
/// |---|---|
/// | M-FAC | `F⁻¹g`, or in the metric of Adam `λF⁻¹g`, before momentum |
/// | SGD | the velocity, because the direction before momentum is g |
/// | AdamW | `m̂/(√v̂ + ε)` |
public struct DirectionMeasure: Sendable, Equatable {
  /// ‖u‖.
  public let norm: Double
  /// `arccos(g·u/(‖g‖‖u‖))` in degrees; nil if g or u is zero, or if the angle is unknown.
  public let angle: Double?

  /// Creates a measure from inner products.
  ///
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
