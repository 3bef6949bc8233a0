import CKernels

/// A square window sliding over an image of shape [height, width, channels] with zeros around it.
///
/// An axis of size `s` has `⌊(s + 2·padding − kernel)/stride⌋ + 1` positions. The sizes must have
/// been checked: positive, and so small that no product of them overflows.
public struct SlidingWindow: Sendable, Equatable {
  public let height: Int
  public let width: Int
  public let channels: Int
  public let kernel: Int
  public let stride: Int
  public let padding: Int
  public let outputHeight: Int
  public let outputWidth: Int

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
