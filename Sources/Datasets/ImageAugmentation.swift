import Formats
import RandomNumbers

/// Random crops and flips of training images: another variant of each image in each epoch.
///
/// A frame of `cropPadding` zero pixels is put around the image, a window of the image's size is
/// cut out at a random place, and with probability ½ its columns are reversed. What becomes of an
/// image is a pure function of (seed, epoch, index): ranks and batches never change it.
///
/// The usual augmentation of CIFAR-10; Lee, Xie, Gallagher, Zhang and Tu, "Deeply-supervised nets",
/// 2015, and He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, 4.2.
public struct ImageAugmentation: Sendable, Equatable {
  /// Pixels on each side; 0 for no crop.
  public let cropPadding: Int
  /// Whether columns are reversed, with probability ½.
  public let flip: Bool
  /// Of the draws, beside an image's index and the epoch.
  public let seed: UInt64

  /// - Parameter cropPadding: from 0 to 1000.
  public init(cropPadding: Int = 4, flip: Bool = true, seed: UInt64) throws(InputError) {
    guard (0...1000).contains(cropPadding) else {
      throw InputError(
        "crop padding", "is no width of a frame", expected: "0 to 1000 pixels",
        got: "\(cropPadding)")
    }
    self.cropPadding = cropPadding
    self.flip = flip
    self.seed = seed
  }

  /// How an image is changed: pixel (y, x) of the result is pixel (y + down, x + right) of the
  /// original, or 0 where that has none; then columns are reversed if `flipped`.
  public struct Change: Sendable, Equatable {
    /// Rows that the cut-out window lies lower than the image; negative where higher.
    public let down: Int
    /// Columns that it lies further right; negative where left.
    public let right: Int
    /// Whether its columns are reversed.
    public let flipped: Bool

    static let none = Change(down: 0, right: 0, flipped: false)
  }

  /// What becomes of image `index` in an epoch.
  public func change(of index: Int, epoch: Int) -> Change {
    precondition(epoch >= 0 && epoch < 1 << 32, "epoch \(epoch) does not fit 32 bits of a stream")
    // Streams from 1·2³² are those of the order, below it those of initial values.
    let random = CounterRandom(seed: seed, stream: 2 << 32 | UInt64(epoch))
    let (counter, places) = (UInt64(index) * 3, 2 * cropPadding + 1)
    return Change(
      down: random.integer(below: places, at: counter) - cropPadding,
      right: random.integer(below: places, at: counter + 1) - cropPadding,
      flipped: flip && random.integer(below: 2, at: counter + 2) == 1)
  }
}
