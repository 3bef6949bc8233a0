import CKernels

/// A square window sliding over an image of shape [height, width, channels] with zeros around it.
///
/// An axis of size `s` has `⌊(s + 2·padding − kernel)/stride⌋ + 1` positions. The sizes must have
/// been checked: positive, and so small that no product of them overflows.
public struct SlidingWindow: Sendable, Equatable {
  /// Rows of the image, without padding.
  public let height: Int
  /// Columns of the image, without padding.
  public let width: Int
  /// Of the image.
  public let channels: Int
  /// The window is kernel×kernel pixels.
  public let kernel: Int
  /// Pixels from one position to the next, on both axes.
  public let stride: Int
  /// Rows and columns of zeros on each side of the image.
  public let padding: Int
  /// Positions from top to bottom.
  public let outputHeight: Int
  /// Positions from left to right.
  public let outputWidth: Int

  /// The window over an image [channels, height, width].
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

  /// Elements of one patch: kernel²·channels.
  public var patchCount: Int { kernel * kernel * channels }

  /// Positions of the window in one image.
  public var positionCount: Int { outputHeight * outputWidth }

  var geometry: ck_window {
    ck_window(
      height: height, width: width, channels: channels, kernel: kernel, stride: stride,
      padding: padding, output_height: outputHeight, output_width: outputWidth)
  }
}
