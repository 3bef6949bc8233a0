import LinearAlgebra

/// Selects the memory of a layer's output.
enum OutputPlace {
  /// Separate memory.
  case separate
  /// Memory of the input, if no derivative needs the input.
  case overInput
  /// The output is the input read with another shape: nothing is computed, forward or backward.
  case sameAsInput
}

/// Holds the arguments that every layer receives in one call for a micro-batch.
struct LayerCall<Element: Scalar> {
  /// Examples in this call.
  let examples: Int
  /// The layer's parameters, in the order of its tensors; `state` holds its running statistics.
  let parameters: UnsafePointer<Element>
  let state: UnsafePointer<Element>
  /// Set in training; nil for predictions.
  let training: TrainingPass<Element>?
  /// Destination of the examples' statistics in training, laid out like the state.
  let statistics: UnsafeMutablePointer<Element>?
  /// Added to the output, by a layer that fuses the addition.
  let addend: UnsafePointer<Element>?
  /// Memory of `scratchCount` elements; its contents do not outlive the call.
  let scratch: UnsafeMutablePointer<Element>
  /// Written by forward for backward: `keptOnce` elements, and `keptCount` for each example.
  /// `choices` has `choiceCount` for each example.
  let kept: UnsafeMutablePointer<Element>
  let choices: UnsafeMutablePointer<Int32>
}

/// Holds the gradients of activations that a layer's backward call reads and writes.
struct GradientPlaces<Element: Scalar> {
  /// ∂L/∂y
  let dy: UnsafePointer<Element>
  /// ∂L/∂x; nil if not needed. It may be `dy` if the output may lie over the input.
  let dx: UnsafeMutablePointer<Element>?
  /// True if dx holds the gradient of x's other uses, to which the call adds.
  let accumulates: Bool
  /// ∂L/∂addend, overwritten; nil if absent or not needed. It may be `dy`.
  let addend: UnsafeMutablePointer<Element>?
}

/// Computes one planned layer; it has sizes, but no memory.
///
/// Activations are [examples, …], with an image as [height, width, channels]. A convolution is then
/// the product of its patches [examples·positions, inputs] with its weights, just as a linear layer
/// multiplies its inputs [examples·positions, inputs]. All statistics of a layer come from this
/// pair of matrices, inputs and output gradients.
protocol Layer<Element> {
  associatedtype Element: Scalar

  /// Elements of the output per example.
  var outputCount: Int { get }
  var outputPlace: OutputPlace { get }
  /// True if `backward` reads the output, so no later layer may overwrite it.
  var keepsOutput: Bool { get }
  /// True if `backward` can add to dx; otherwise it always overwrites dx.
  var canAccumulate: Bool { get }
  /// This layer with an addend that it adds to the output in the same pass; nil if unsupported.
  var withAddend: (any Layer<Element>)? { get }
  /// Returns this layer fused with the layer that follows it; nil if unsupported.
  func followed(by kind: any NodeKind) -> (any Layer<Element>)?
  /// Elements of scratch memory per call.
  var scratchCount: Int { get }
  /// Elements kept between forward and backward, per example; `keptOnce` counts those per call.
  var keptCount: Int { get }
  var keptOnce: Int { get }
  var choiceCount: Int { get }

  /// Computes `y = f(x)`; y may be x if `outputPlace` is `overInput`.
  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>)

  /// Computes the derivative of y along a direction: ẏ = (∂y/∂x) ẋ + (∂y/∂parameters) v.
  ///
  /// - Parameters:
  ///   - x: input of the preceding forward call; `y` is its output.
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>)

  /// Computes the derivatives of a sum L over the examples.
  ///
  /// - Parameters:
  ///   - x: input of the preceding forward call; `y` is its output.
  ///   - gradient: ∂L/∂parameters, overwritten; nil if not needed.
  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?)

  /// Elements per example of the memory that `collect` takes.
  var statisticsCount: Int { get }

  /// Passes a collector the data for curvature, before `backward`: of each weight and block of the
  /// kind's `curvature`, in that order.
  func collect(into view: LayerView<Element>)
}

extension Layer {
  var keepsOutput: Bool { false }
  var canAccumulate: Bool { false }
  var withAddend: (any Layer<Element>)? { nil }
  var scratchCount: Int { 0 }
  var keptCount: Int { 0 }
  var keptOnce: Int { 0 }
  var choiceCount: Int { 0 }

  func followed(by kind: any NodeKind) -> (any Layer<Element>)? { nil }
}

/// A layer that has no parameters with curvature.
protocol FactorlessLayer<Element>: Layer {}

extension FactorlessLayer {
  var statisticsCount: Int { 0 }
  func collect(into view: LayerView<Element>) {}
}

/// Holds the tangents that a layer's tangent call reads and writes: derivatives along one
/// direction.
///
/// A tangent before the first parameters is zero, given as nil. If the layer has no parameters, x
/// and the addend are not both nil.
struct LayerTangents<Element: Scalar> {
  /// ẋ
  let x: UnsafePointer<Element>?
  let addend: UnsafePointer<Element>?
  /// Direction v of the layer's parameters.
  let parameters: UnsafePointer<Element>
  /// ẏ, overwritten; it may be ẋ if the output may lie over the input.
  let y: UnsafeMutablePointer<Element>
}

/// A layer without parameters that is linear in its input, so it is its own derivative.
protocol LinearMapLayer<Element>: FactorlessLayer {}

extension LinearMapLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    forward(call, tangents.x!, into: tangents.y)
  }
}
