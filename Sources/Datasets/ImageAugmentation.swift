import Formats
import RandomNumbers

/// Crops and flips training images at random: another variant of each image in each epoch.
///
/// It pads the image with `cropPadding` zero pixels on each side and crops a window of the image's
/// size at a random position. With probability ½ it then reverses the columns. The result is a pure
/// function of (seed, epoch, index); ranks and batches do not change it.
///
/// This is the usual augmentation of CIFAR-10; Lee, Xie, Gallagher, Zhang and Tu,
/// "Deeply-supervised nets", 2015, and He, Zhang, Ren and Sun, "Deep residual learning for image
/// recognition", 2016, 4.2.
public struct ImageAugmentation: Sendable, Equatable {
  /// Zero pixels on each side; 0 for no crop.
  public let cropPadding: Int
  /// True if columns are reversed with probability ½.
  public let flip: Bool
  /// Seed of the draws, which also depend on the image's index and the epoch.
  public let seed: UInt64

  /// Creates an augmentation.
  ///
  /// - Parameter cropPadding: 0 to 1000 pixels.
  public init(cropPadding: Int = 4, flip: Bool = true, seed: UInt64) throws(InputError) {
    guard (0...1000).contains(cropPadding) else {
      throw InputError(
        "crop padding", "is out of range", expected: "0 to 1000 pixels",
        got: "\(cropPadding)")
    }
    self.cropPadding = cropPadding
    self.flip = flip
    self.seed = seed
  }

  /// Describes the change of one image.
  ///
  /// Pixel (y, x) of the result is pixel (y + down, x + right) of the original, or 0 outside of it.
  /// The columns are then reversed if `flipped`.
  public struct Change: Sendable, Equatable {
    /// Rows by which the cropped window lies below the image; negative if above.
    public let down: Int
    /// Columns by which it lies to the right; negative if to the left.
    public let right: Int
    public let flipped: Bool

    static let none = Change(down: 0, right: 0, flipped: false)
  }

  /// Returns the change of image `index` in an epoch.
  public func change(of index: Int, epoch: Int) -> Change {
    precondition(epoch >= 0 && epoch < 1 << 32, "epoch \(epoch) does not fit 32 bits of a stream")
    // Streams from 1·2³² draw the order, streams below it initial values.
    let random = CounterRandom(seed: seed, stream: 2 << 32 | UInt64(epoch))
    let (counter, places) = (UInt64(index) * 3, 2 * cropPadding + 1)
    return Change(
      down: random.integer(below: places, at: counter) - cropPadding,
      right: random.integer(below: places, at: counter + 1) - cropPadding,
      flipped: flip && random.integer(below: 2, at: counter + 2) == 1)
  }
}
