import Formats
import LinearAlgebra
import Networks

extension NetworkDescription {
  /// Reads all parameters and running statistics from a safetensors file.
  ///
  /// PyTorch's counters of batches (`….num_batches_tracked`) are ignored.
  ///
  /// - Parameters:
  ///   - parameters: [d]
  ///   - state: [s]
  /// - Throws: `InputError` naming the file and the tensor that is missing, has another shape, or
  ///   is not part of the network.
  public func readWeights<Element: Scalar>(
    from path: String, into parameters: UnsafeMutableBufferPointer<Element>,
    state: UnsafeMutableBufferPointer<Element>
  ) throws(InputError) {
    let file = try SafetensorsFile(path: path)
    try layout.read(from: file, path, into: parameters, known: tensorNames)
    try stateLayout.read(from: file, path, into: state, known: tensorNames)
    let names = Set(
      tensorNames
        + stateLayout.tensors.map {
          $0.name.split(separator: ".").dropLast().joined(separator: ".") + ".num_batches_tracked"
        })
    if let stranger = file.tensors.first(where: { !names.contains($0.name) }) {
      throw InputError(
        path, "tensor '\(stranger.name)' is not part of the network",
        expected: InputError.list(tensorNames))
    }
  }

  /// Writes all parameters and running statistics to a safetensors file, which appears when it is
  /// complete.
  ///
  /// - Parameters:
  ///   - parameters: [d]
  ///   - state: [s]
  public func writeWeights<Element: Scalar>(
    _ parameters: UnsafeMutableBufferPointer<Element>, state: UnsafeMutableBufferPointer<Element>,
    to path: String
  ) throws(InputError) {
    try SafetensorsFile.write(
      layout.entries(of: parameters) + stateLayout.entries(of: state), to: path)
  }

  /// Writes the same to an open file that does not have its final name yet.
  package func writeWeights<Element: Scalar>(
    _ parameters: UnsafeMutableBufferPointer<Element>, state: UnsafeMutableBufferPointer<Element>,
    to file: OutputFile
  ) throws(InputError) {
    try SafetensorsFile.write(
      layout.entries(of: parameters) + stateLayout.entries(of: state), to: file)
  }

  private var tensorNames: [String] { (layout.tensors + stateLayout.tensors).map(\.name) }
}

extension ParameterLayout {
  /// Returns the tensors of a vector in the form in which safetensors files are written.
  public func entries<Element: Scalar>(
    of elements: UnsafeMutableBufferPointer<Element>
  ) -> [SafetensorsFile.NamedTensor<Element>] {
    tensors.map { tensor in
      let values = UnsafeBufferPointer(rebasing: elements[tensor.range])
      return (name: tensor.name, shape: tensor.shape, values: values)
    }
  }

  fileprivate func read<Element: Scalar>(
    from file: SafetensorsFile, _ path: String, into elements: UnsafeMutableBufferPointer<Element>,
    known: [String]
  ) throws(InputError) {
    for tensor in tensors {
      guard let entry = file.tensor(tensor.name) else {
        throw InputError(
          path, "tensor '\(tensor.name)' is missing", expected: InputError.list(known),
          got: InputError.list(file.tensors.map(\.name)))
      }
      guard entry.shape == tensor.shape else {
        throw InputError(
          path, "tensor '\(tensor.name)' does not fit the network",
          expected: "shape \(tensor.shape)", got: "\(entry.shape)")
      }
      let values = try file.values(tensor.name, as: Element.self)
      if let index = values.firstIndex(where: { !$0.isFinite }) {
        throw InputError(
          path, "tensor '\(tensor.name)' is not finite in \(Element.precision) precision",
          got: "\(values[index]) at element \(index)")
      }
      if tensor.name.hasSuffix("running_var"), let index = values.firstIndex(where: { $0 < 0 }) {
        throw InputError(
          path, "tensor '\(tensor.name)' holds a variance below 0",
          got: "\(values[index]) at element \(index)")
      }
      _ = UnsafeMutableBufferPointer(rebasing: elements[tensor.range])
        .update(fromContentsOf: values)
    }
  }
}
