/// What becomes of a pixel before the network sees it: `x = (pixel·scale − mean)/std`.
///
/// Each of the 256 values is computed once, in double precision, and rounded once.
public struct InputTransform: Sendable, Equatable {
  public let scale: Double
  public let mean: Double
  public let std: Double
  private let table: [Float]

  /// - Throws: `DatasetError` when a number is not finite, `scale` is 0, `std` is not positive, or
  ///   a transformed pixel is beyond single precision.
  public init(scale: Double, mean: Double = 0, std: Double = 1) throws(DatasetError) {
    guard scale.isFinite && scale != 0 else {
      throw DatasetError("input scale", "\(scale) is not a finite number other than 0")
    }
    guard mean.isFinite else {
      throw DatasetError("input mean", "\(mean) is not a finite number")
    }
    guard std.isFinite && std > 0 else {
      throw DatasetError("input std", "\(std) is not a finite number above 0")
    }
    table = (0...255).map { Float((Double($0) * scale - mean) / std) }
    guard table.allSatisfy(\.isFinite) else {
      throw DatasetError(
        "input transform",
        "scale \(scale), mean \(mean) and std \(std) exceed single precision")
    }
    self.scale = scale
    self.mean = mean
    self.std = std
  }

  /// The network's input for a pixel.
  public func callAsFunction(_ pixel: UInt8) -> Float { table[Int(pixel)] }

  /// Transforms as many pixels as `inputs` has room for; the counts agree.
  func apply(to pixels: ArraySlice<UInt8>, into inputs: UnsafeMutableBufferPointer<Float>) {
    precondition(pixels.count == inputs.count, "\(pixels.count) pixels, \(inputs.count) inputs")
    table.withUnsafeBufferPointer { table in
      pixels.withUnsafeBufferPointer { pixels in
        for i in inputs.indices { inputs[i] = table[Int(pixels[i])] }
      }
    }
  }
}
