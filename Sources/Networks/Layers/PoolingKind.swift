import LinearAlgebra

/// Describes a kind of layer that reduces each window of each channel to one value.
protocol PoolingKind: ParameterlessKind {
  var kernel: Int { get }
  var stride: Int { get }
  var padding: Int { get }

  init(kernel: Int, stride: Int, padding: Int)
}

extension PoolingKind {
  var input: InputForm { .channelsLast }

  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    let kernel = try fields.size("kernel")
    self.init(
      kernel: kernel, stride: try fields.size("stride", default: kernel),
      padding: try fields.size("padding", default: 0))
  }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkImage(shape, from: giver)
    let positions = try LayerProblem.positions(
      over: shape, giver, kernel: kernel, stride: stride, padding: padding)
    try LayerProblem.check(
      padding <= kernel / 2, "padding \(padding) is more than half of kernel \(kernel)")
    return [shape[0]] + positions
  }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(isPooling: true) }

  func window(over shape: [Int]) -> SlidingWindow {
    SlidingWindow(over: shape, kernel: kernel, stride: stride, padding: padding)
  }
}
