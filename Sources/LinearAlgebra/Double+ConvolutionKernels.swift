import CKernels

extension Double: ConvolutionKernels {
  public static func packWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Double>,
    into packed: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_pack_weights_f64(&geometry, outputs, weights, packed)
  }

  public static func unpackWeights(
    _ window: SlidingWindow, outputs: Int, _ packed: UnsafePointer<Double>,
    into weights: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_unpack_weights_f64(&geometry, outputs, packed, weights)
  }

  public static func packAdjointWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Double>,
    into packed: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_pack_adjoint_weights_f64(&geometry, outputs, weights, packed)
  }

  public static func convolve(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Double>,
    packed: UnsafePointer<Double>, bias: UnsafePointer<Double>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Double>, into y: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_convolve_f64(
      ck_x86_level(), &geometry, outputs, examples, x, packed, bias, accumulates ? 1 : 0,
      scratch, y)
  }

  public static func convolveAdjoint(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ dy: UnsafePointer<Double>,
    packed: UnsafePointer<Double>, accumulates: Bool, scratch: UnsafeMutablePointer<Double>,
    into dx: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_convolve_adjoint_f64(
      ck_x86_level(), &geometry, outputs, examples, dy, packed, accumulates ? 1 : 0,
      scratch, dx)
  }

  public static func weightGradient(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Double>,
    _ dy: UnsafePointer<Double>, scratch: UnsafeMutablePointer<Double>,
    into packed: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_weight_gradient_f64(
      ck_x86_level(), &geometry, outputs, examples, x, dy, scratch, packed)
  }
}
