import Datasets
import LinearAlgebra
import Networks

extension ParameterLayout {
  /// Reads all tensors of this layout from a safetensors file.
  ///
  /// - Parameter parameters: shape [d].
  /// - Throws: `DatasetError` naming the file and the tensor that is missing, has another shape, or
  ///   has no place in the network.
  public func read(
    from path: String, into parameters: UnsafeMutableBufferPointer<Float>
  ) throws(DatasetError) {
    let file = try SafetensorsFile(path: path)
    for tensor in tensors {
      guard let entry = file.tensor(tensor.name) else {
        throw DatasetError(
          path, "tensor '\(tensor.name)' is missing",
          expected: "\(tensors.map(\.name).joined(separator: ", "))",
          got: file.tensors.map(\.name).joined(separator: ", "))
      }
      guard entry.shape == tensor.shape else {
        throw DatasetError(
          path, "tensor '\(tensor.name)' does not fit the network",
          expected: "shape \(tensor.shape)",
          got: "\(entry.shape)")
      }
      let values = try file.floats(tensor.name)
      if let index = values.firstIndex(where: { !$0.isFinite }) {
        throw DatasetError(
          path, "tensor '\(tensor.name)' is not finite in single precision",
          got: "\(values[index]) at element \(index)")
      }
      _ = UnsafeMutableBufferPointer(rebasing: parameters[tensor.range])
        .update(fromContentsOf: values)
    }
    let known = Set(tensors.map(\.name))
    if let stranger = file.tensors.first(where: { !known.contains($0.name) }) {
      throw DatasetError(
        path, "tensor '\(stranger.name)' has no place in the network",
        expected: "\(tensors.map(\.name).joined(separator: ", "))")
    }
  }

  /// Writes all tensors of this layout to a safetensors file, which appears when it is complete.
  ///
  /// - Parameter parameters: shape [d].
  public func write(
    _ parameters: UnsafeMutableBufferPointer<Float>, to path: String
  ) throws(DatasetError) {
    try SafetensorsFile.write(
      tensors.map { tensor in
        let values = UnsafeBufferPointer(rebasing: parameters[tensor.range])
        return (name: tensor.name, shape: tensor.shape, values: values)
      }, to: path)
  }
}
