import CKernels

/// The C functions of one scalar.
public struct RMSNormFunctions<Element> {
  typealias In = UnsafePointer<Element>
  typealias Out = UnsafeMutablePointer<Element>

  let forward: (Int, Int, Element, In, In, Out, Out) -> Void
  let gradient: (Int, Int, In, In, In, In, Out, Int32, Out?) -> Void
  let tangent: (Int, Int, In, In, In, In?, In, Out) -> Void
}

/// Normalisation of rows by their root mean square, for single and double precision.
public protocol RMSNormKernels {
  /// Of this scalar.
  static var rmsNormFunctions: RMSNormFunctions<Self> { get }
}

extension Float: RMSNormKernels {
  public static var rmsNormFunctions: RMSNormFunctions<Float> {
    RMSNormFunctions(
      forward: ck_rms_norm_f32, gradient: ck_rms_norm_gradient_f32, tangent: ck_rms_norm_tangent_f32
    )
  }
}

extension Double: RMSNormKernels {
  public static var rmsNormFunctions: RMSNormFunctions<Double> {
    RMSNormFunctions(
      forward: ck_rms_norm_f64, gradient: ck_rms_norm_gradient_f64, tangent: ck_rms_norm_tangent_f64
    )
  }
}

extension Scalar {
  /// `y = x/√(Σ x²/width + epsilon)·weight` for each row of x [rows, width]; `statistics` [rows] become
  /// the root's inverse.
  package static func rmsNorm(
    rows: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>, statistics: UnsafeMutablePointer<Self>
  ) {
    rmsNormFunctions.forward(rows, width, epsilon, weight, x, y, statistics)
  }

  /// The derivatives of `rmsNorm`; dx, if given, is overwritten or added to.
  package static func rmsNormGradient(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    weightGradient: UnsafeMutablePointer<Self>, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>?
  ) {
    rmsNormFunctions.gradient(
      rows, width, weight, x, statistics, dy, weightGradient, accumulates ? 1 : 0, dx)
  }

  /// The derivative of `rmsNorm` along dx, no dx: zeros, and the weight's tangent.
  package static func rmsNormTangent(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, into dy: UnsafeMutablePointer<Self>
  ) {
    rmsNormFunctions.tangent(rows, width, weight, x, statistics, dx, weightTangent, dy)
  }
}
