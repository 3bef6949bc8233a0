import CKernels

extension Float: ConvolutionKernels {
  public static func packWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Float>,
    into packed: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_pack_weights_f32(&geometry, outputs, weights, packed)
  }

  public static func unpackWeights(
    _ window: SlidingWindow, outputs: Int, _ packed: UnsafePointer<Float>,
    into weights: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_unpack_weights_f32(&geometry, outputs, packed, weights)
  }

  public static func packAdjointWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Float>,
    into packed: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_pack_adjoint_weights_f32(&geometry, outputs, weights, packed)
  }

  public static func convolve(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Float>,
    packed: UnsafePointer<Float>, bias: UnsafePointer<Float>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_convolve_f32(
      ck_x86_level(), &geometry, outputs, examples, x, packed, bias, accumulates ? 1 : 0,
      scratch, y)
  }

  public static func convolveAdjoint(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ dy: UnsafePointer<Float>,
    packed: UnsafePointer<Float>, accumulates: Bool, scratch: UnsafeMutablePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_convolve_adjoint_f32(
      ck_x86_level(), &geometry, outputs, examples, dy, packed, accumulates ? 1 : 0,
      scratch, dx)
  }

  public static func weightGradient(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Float>,
    _ dy: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    into packed: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_weight_gradient_f32(
      ck_x86_level(), &geometry, outputs, examples, x, dy, scratch, packed)
  }
}
