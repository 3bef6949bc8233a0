import LinearAlgebra

/// Where a layer's output lies.
enum OutputPlace {
  /// In memory of its own.
  case separate
  /// Over its input, where nobody needs that for a derivative.
  case overInput
  /// It is its input, read with another shape: nothing is computed, forward or backward.
  case sameAsInput
}

/// What every layer gets in one call for a micro-batch.
struct LayerCall<Element: Scalar> {
  /// Examples in this call.
  let examples: Int
  /// The layer's own parameters, in the order of its tensors, and its running statistics.
  let parameters: UnsafePointer<Element>
  let state: UnsafePointer<Element>
  /// In training; else the layer does what it does for predictions.
  let training: TrainingPass<Element>?
  /// Where the layer leaves the examples' statistics in training: the places of its state.
  let statistics: UnsafeMutablePointer<Element>?
  /// What is added to the output, for a layer that does that too.
  let addend: UnsafePointer<Element>?
  /// Memory for this call alone, `scratchCount` elements: nothing is left in it.
  let scratch: UnsafeMutablePointer<Element>
  /// What forward leaves for backward: `keptOnce` elements and `keptCount` an example, and
  /// `choiceCount` an example.
  let kept: UnsafeMutablePointer<Element>
  let choices: UnsafeMutablePointer<Int32>
}

/// Where a layer's backward call finds and leaves gradients of activations.
struct GradientPlaces<Element: Scalar> {
  /// ∂L/∂y
  let dy: UnsafePointer<Element>
  /// ∂L/∂x; nil where nobody needs it. It may be `dy` where the output may be over the input.
  let dx: UnsafeMutablePointer<Element>?
  /// Whether dx holds the gradient from x's other uses, to which this one is added.
  let accumulates: Bool
  /// ∂L/∂addend, overwritten, which may be `dy`; nil where there is none.
  let addend: UnsafeMutablePointer<Element>?
}

/// One layer, planned: sizes only, no memory.
///
/// Activations are [examples, …] with an image as [height, width, channels], so that a convolution
/// is the product of its patches [examples·positions, inputs] with its weights, as a linear layer's
/// is of its inputs [examples·positions, inputs]: the one pair of matrices, inputs and output
/// gradients, from which all of a layer's statistics come.
protocol Layer<Element> {
  associatedtype Element: Scalar

  /// Elements of the output of one example.
  var outputCount: Int { get }
  var outputPlace: OutputPlace { get }
  /// Whether `backward` reads the output, so that no later layer may write over it.
  var keepsOutput: Bool { get }
  /// Whether `backward` can add to dx; else it always overwrites it.
  var canAccumulate: Bool { get }
  /// The same with an addend that is added to the output in the same pass; nil where it cannot.
  var withAddend: (any Layer<Element>)? { get }
  /// The same with the layer that follows it done in the same pass; nil where it cannot.
  func followed(by kind: any NodeKind) -> (any Layer<Element>)?
  /// Elements of scratch memory that one call needs.
  var scratchCount: Int { get }
  /// Elements kept between forward and backward, for each example, and beside these.
  var keptCount: Int { get }
  var keptOnce: Int { get }
  var choiceCount: Int { get }

  /// `y = f(x)`; y may be x if `outputPlace` is `overInput`.
  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>)

  /// The derivative of y along a direction: ẏ = (∂y/∂x) ẋ + (∂y/∂parameters) v.
  ///
  /// - Parameters:
  ///   - x: the input, and `y` the output, of the forward call just before.
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>)

  /// The derivatives of a sum L over the examples.
  ///
  /// - Parameters:
  ///   - x: the input, and `y` the output, of the forward call just before.
  ///   - gradient: ∂L/∂parameters, overwritten; nil where nobody needs it.
  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?)

  /// Elements an example of the memory that `collect` takes.
  var statisticsCount: Int { get }

  /// Gives a collector what curvature is made of, before `backward`: of each weight and block of
  /// the kind's `curvature`, in that order.
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

/// Where a layer's tangent call finds the derivatives, along one direction, of what it reads, and
/// leaves that of its output. For those before the first parameters there is nil, for zeros; not
/// both x and the addend are nil where a layer has no parameters.
struct LayerTangents<Element: Scalar> {
  /// ẋ
  let x: UnsafePointer<Element>?
  let addend: UnsafePointer<Element>?
  /// The direction v of the layer's own parameters.
  let parameters: UnsafePointer<Element>
  /// ẏ, overwritten, which may be ẋ where the output may be over the input.
  let y: UnsafeMutablePointer<Element>
}

/// A layer without parameters that is linear in its input, and so its own derivative.
protocol LinearMapLayer<Element>: FactorlessLayer {}

extension LinearMapLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    forward(call, tangents.x!, into: tangents.y)
  }
}
