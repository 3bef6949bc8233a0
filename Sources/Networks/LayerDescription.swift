/// One layer as a user writes it, with the meaning and the defaults of PyTorch's.
public enum LayerDescription: Sendable, Equatable {
  /// y = x Wᵀ + b, x [inputs], W [outputs, inputs].
  case linear(inputs: Int, outputs: Int, bias: Bool = true)
  /// Cross-correlation of x [inputs, h, w] with W [outputs, inputs, kernel, kernel], zeros around.
  case conv2d(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true)
  /// The largest value of each window, of equals the first.
  case maxPool2d(kernel: Int, stride: Int, padding: Int = 0)
  /// The mean of each window, zeros around the image included.
  case averagePool2d(kernel: Int, stride: Int, padding: Int = 0)
  /// One dimension, in the order of the shape's indices: channel, row, column.
  case flatten
  case relu
  case tanh
  case sigmoid
  /// x·Φ(x), exact.
  case gelu

  /// Windows side by side: the stride is the kernel.
  public static func maxPool2d(kernel: Int, padding: Int = 0) -> LayerDescription {
    .maxPool2d(kernel: kernel, stride: kernel, padding: padding)
  }

  /// Windows side by side: the stride is the kernel.
  public static func averagePool2d(kernel: Int, padding: Int = 0) -> LayerDescription {
    .averagePool2d(kernel: kernel, stride: kernel, padding: padding)
  }

  /// The layer's name in model files.
  public var name: String {
    switch self {
    case .linear: "linear"
    case .conv2d: "conv2d"
    case .maxPool2d: "max-pool2d"
    case .averagePool2d: "average-pool2d"
    case .flatten: "flatten"
    case .relu: "relu"
    case .tanh: "tanh"
    case .sigmoid: "sigmoid"
    case .gelu: "gelu"
    }
  }
}
