import CKernels

/// A square window that slides over an image [height, width, channels] with zeros around it.
///
/// An axis of size `s` has `⌊(s + 2·padding − kernel)/stride⌋ + 1` positions. The caller must have
/// checked the sizes: positive, and so small that no product of them overflows.
public struct SlidingWindow: Sendable, Equatable {
  /// Rows of the image, without padding.
  public let height: Int
  /// Columns of the image, without padding.
  public let width: Int
  public let channels: Int
  /// The window covers kernel×kernel pixels.
  public let kernel: Int
  /// Pixels from one position to the next, on both axes.
  public let stride: Int
  /// The rows and columns of zeros on each side of the image.
  public let padding: Int
  /// The number of positions from top to bottom.
  public let outputHeight: Int
  /// The number of positions from left to right.
  public let outputWidth: Int

  /// Creates a window over an image [height, width, channels].
  public init(height: Int, width: Int, channels: Int, kernel: Int, stride: Int, padding: Int) {
    precondition(
      kernel > 0 && stride > 0 && padding >= 0 && channels > 0
        && min(height, width) + 2 * padding >= kernel,
      "a window of \(kernel) does not fit [\(height), \(width), \(channels)] + \(padding)")
    self.height = height
    self.width = width
    self.channels = channels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    outputHeight = (height + 2 * padding - kernel) / stride + 1
    outputWidth = (width + 2 * padding - kernel) / stride + 1
  }

  /// The number of elements of one patch: kernel²·channels.
  public var patchCount: Int { kernel * kernel * channels }

  /// The number of window positions in one image.
  public var positionCount: Int { outputHeight * outputWidth }

  var geometry: ck_window {
    ck_window(
      height: height, width: width, channels: channels, kernel: kernel, stride: stride,
      padding: padding, output_height: outputHeight, output_width: outputWidth)
  }
}
