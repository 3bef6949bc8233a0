import Formats
import LinearAlgebra

/// Maps a pixel to the network's input: `x = (pixel·scale − mean)/std`.
///
/// Each of a channel's 256 values is computed once, in double precision, and rounded once.
public struct InputTransform: Sendable, Equatable {
  /// Factor applied to a pixel's byte.
  public let scale: Double
  /// One number per channel, or one for all.
  public let mean: [Double]
  /// One number per channel, or one for all.
  public let std: [Double]
  // Shape [channels or 1, 256] each.
  private let (singles, doubles): ([Float], [Double])

  /// Computes the table of all pixel values.
  ///
  /// - Throws: `InputError` when a number is not finite, `scale` is 0 or an `std` is not positive;
  ///   when the counts of `mean` and `std` do not match or are 0; when a transformed pixel exceeds
  ///   `precision`.
  public init(
    scale: Double, mean: [Double], std: [Double], precision: Precision = .float32
  ) throws(InputError) {
    guard scale.isFinite && scale != 0 else {
      throw InputError("input scale", "\(scale) is not a finite number other than 0")
    }
    for mean in mean where !mean.isFinite {
      throw InputError("input mean", "\(mean) is not a finite number")
    }
    for std in std where !(std.isFinite && std > 0) {
      throw InputError("input std", "\(std) is not a finite number above 0")
    }
    guard let channels = Self.channels(mean.count, std.count) else {
      throw InputError(
        "input mean", "\(mean.count) numbers, but input std has \(std.count)",
        expected: "the same number, or one for all channels")
    }
    var table: [Double] = []
    for channel in 0..<channels {
      let mean = mean.count == 1 ? mean[0] : mean[channel]
      let std = std.count == 1 ? std[0] : std[channel]
      table += (0...255).map { (Double($0) * scale - mean) / std }
      guard Self.areFinite(table, as: precision.scalar) else {
        throw InputError(
          "input transform",
          "scale \(scale), mean \(mean) and std \(std) exceed "
            + "\(precision.scalar.precision) precision")
      }
    }
    self.scale = scale
    self.mean = mean
    self.std = std
    (singles, doubles) = (table.map { Float($0) }, table)
  }

  /// Creates one transform for all channels.
  public init(
    scale: Double, mean: Double = 0, std: Double = 1, precision: Precision = .float32
  ) throws(InputError) {
    try self.init(scale: scale, mean: [mean], std: [std], precision: precision)
  }

  private static func areFinite<Element: Scalar>(
    _ numbers: [Double], as scalar: Element.Type
  ) -> Bool {
    numbers.allSatisfy { Element($0).isFinite }
  }

  private static func channels(_ means: Int, _ stds: Int) -> Int? {
    let channels = max(means, stds)
    let fit = [means, stds].allSatisfy { $0 == 1 || $0 == channels }
    return channels > 0 && fit ? channels : nil
  }

  /// Returns the network's input for a pixel.
  public func callAsFunction<Element: Scalar>(_ pixel: UInt8, channel: Int = 0) -> Element {
    Element(doubles[(doubles.count == 256 ? 0 : 256 * channel) + Int(pixel)])
  }

  /// Checks the counts of `mean` and `std`.
  ///
  /// - Throws: `InputError` unless each count is 1 or `channels`.
  func check(channels: Int) throws(InputError) {
    for (name, numbers) in [("input mean", mean), ("input std", std)]
    where numbers.count != 1 && numbers.count != channels {
      throw InputError(
        name,
        "\(numbers.count) numbers for images of \(channels) channel\(channels == 1 ? "" : "s")",
        expected: channels == 1 ? "one" : "\(channels), or one for all")
    }
  }

  /// Passes `body` the table of inputs for the pixels of each channel, shape [channels, 256], and
  /// the stride between two channels; 0 if all share one row.
  func withTable<Element: Scalar>(_ body: (UnsafePointer<Element>, _ stride: Int) -> Void) {
    func give(_ table: UnsafeRawBufferPointer) {
      body(
        table.baseAddress!.assumingMemoryBound(to: Element.self), doubles.count == 256 ? 0 : 256)
    }
    if Element.holdsDoubles {
      doubles.withUnsafeBytes(give)
    } else {
      singles.withUnsafeBytes(give)
    }
  }
}
