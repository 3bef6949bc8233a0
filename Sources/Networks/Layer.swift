import LinearAlgebra

/// Where a layer's output lies.
enum OutputPlace {
  /// In memory of its own.
  case own
  /// Over its input, where the layer before does not need that for its own derivative.
  case overInput
  /// It is its input, read with another shape: nothing is computed, forward or backward.
  case sameAsInput
}

/// What every layer gets in one call for a micro-batch.
struct LayerCall<Element: Scalar> {
  /// Examples in this call.
  let examples: Int
  /// The layer's own parameters, in the order of its tensors.
  let parameters: UnsafePointer<Element>
  /// Memory for this call alone, `scratchCount` elements: nothing is left in it.
  let scratch: UnsafeMutablePointer<Element>
  /// What forward leaves for backward, `choiceCount` elements an example.
  let choices: UnsafeMutablePointer<Int32>
}

/// One layer, planned: sizes only, no memory.
///
/// Activations are [examples, …] with an image as [height, width, channels], so that a convolution
/// is the product of its patches [examples·positions, inputs] with its weights, as a linear layer's
/// is of its inputs [examples, inputs]: the one pair of matrices, inputs and output gradients, from
/// which all of a layer's statistics come.
protocol Layer<Element> {
  associatedtype Element: Scalar

  /// Elements of the output of one example.
  var outputCount: Int { get }
  var outputPlace: OutputPlace { get }
  /// Whether `backward` reads the output, so that no later layer may write over it.
  var keepsOutput: Bool { get }
  /// Elements of scratch memory that one call needs.
  var scratchCount: Int { get }
  var choiceCount: Int { get }

  /// `y = f(x)`; y may be x if `outputPlace` is `overInput`.
  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>)

  /// The derivatives of a sum L over the examples.
  ///
  /// - Parameters:
  ///   - x: the input, and `y` the output, of the forward call just before.
  ///   - dy: ∂L/∂y. Layers that are not of `own` output get the same memory as `dx`.
  ///   - gradient: ∂L/∂parameters, overwritten.
  ///   - dx: ∂L/∂x, overwritten; nil where nobody needs it.
  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    dy: UnsafePointer<Element>, gradient: UnsafeMutablePointer<Element>,
    dx: UnsafeMutablePointer<Element>?)
}

extension Layer {
  var keepsOutput: Bool { false }
  var scratchCount: Int { 0 }
  var choiceCount: Int { 0 }
}
