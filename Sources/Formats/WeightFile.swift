import LinearAlgebra

/// Reads and writes the weights of a model from any framework. The requested tensors of a
/// safetensors file form a vector [d]; the rest of the file is kept for writing.
///
///     d   elements of these tensors, tensor by tensor in the order of the file's data
///
/// PyTorch sorts the tensors of a file by type and then by name, not by the model's layers.
public struct WeightFile: Sendable {
  /// Describes a tensor of the file, and its place in the vector of all weights.
  public struct Tensor: Equatable, Sendable {
    public let name: String
    /// Dimensions, the last one varying fastest.
    public let shape: [Int]
    /// Type of the elements in the file.
    public let type: TensorType
    /// Range of the elements in the vector, in row-major order.
    public let range: Range<Int>

    /// Creates a tensor with the elements `range` of the vector.
    public init(name: String, shape: [Int], type: TensorType, range: Range<Int>) {
      self.name = name
      self.shape = shape
      self.type = type
      self.range = range
    }
  }

  /// The path as the caller gave it.
  public var path: String { file.path }
  /// The tensors in the vector, in its order.
  public let tensors: [Tensor]
  let file: SafetensorsFile

  /// d, number of weights.
  public var count: Int { tensors.last?.range.upperBound ?? 0 }
  /// All tensors of the file, including those outside the vector.
  public var entries: [TensorEntry] { file.tensors }

  /// The tensors outside the vector.
  public var others: [TensorContent] {
    let names = Set(tensors.map(\.name))
    return file.tensors.filter { !names.contains($0.name) }.map { entry in
      TensorContent(name: entry.name, type: entry.dtype, shape: entry.shape) {
        memory throws(InputError) in
        try file.input.read(at: file.dataOffset + entry.range.lowerBound, into: memory)
      }
    }
  }

  /// Opens a file and selects the tensors of the vector.
  ///
  /// - Parameter isIncluded: called for each tensor of type F16, BF16, F32 or F64; returns false to
  ///   leave it out of the vector. Tensors of other types are always left out.
  /// - Throws: `InputError` naming the file and the problem, or if no tensor is left.
  public init(
    path: String, isIncluded: (TensorEntry) -> Bool = { _ in true }
  ) throws(InputError) {
    file = try SafetensorsFile(path: path)
    var tensors: [Tensor] = []
    var count = 0
    for entry in file.tensors where entry.dtype.isFloatingPoint && isIncluded(entry) {
      tensors.append(
        Tensor(
          name: entry.name, shape: entry.shape, type: entry.dtype,
          range: count..<count + entry.count))
      count += entry.count
    }
    guard count > 0 else {
      throw InputError(
        path, "holds no weights of type \(TensorType.floatingPointNames) that are asked for",
        got: InputError.list(file.tensors.map { "\($0.name) (\($0.dtype.rawValue))" }))
    }
    self.tensors = tensors
  }

  /// Fills `weights`, shape [d]. F64 is rounded to a narrower scalar; all other types are exact.
  ///
  /// - Throws: `InputError` naming a tensor with a weight that is not finite in the scalar's
  ///   precision.
  public func read<Element: Scalar>(
    into weights: UnsafeMutableBufferPointer<Element>
  ) throws(InputError) {
    precondition(weights.count == count, "\(weights.count) places for \(count) weights")
    for tensor in tensors {
      let values = UnsafeMutableBufferPointer(rebasing: weights[tensor.range])
      try file.input.read(at: offset(of: tensor), type: tensor.type, into: values)
      if let element = UnsafeBufferPointer(values).firstNonFinite {
        throw InputError(
          path, "tensor '\(tensor.name)' is not finite in \(Element.precision) precision",
          got: "\(values[element]) at element \(element)")
      }
    }
  }

  /// Writes a file with the same tensors, types, shapes and metadata, and with new `weights`. It
  /// appears when it is complete.
  ///
  /// An element keeps its bits, in F64 too, if its weight still equals the scalar that was read. A
  /// weight of 0 is always written as 0. Other weights are rounded once to their tensor's type, to
  /// nearest, ties to even. Tensors outside the vector are copied.
  ///
  /// - Parameter weights: shape [d].
  /// - Throws: `InputError` with the system's reason, or naming the tensor whose type cannot hold a
  ///   weight.
  public func write<Element: Scalar>(
    _ weights: UnsafeBufferPointer<Element>, to path: String
  ) throws(InputError) {
    precondition(weights.count == count, "\(weights.count) of \(count) weights")
    let tensorOfName = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
    try AtomicFile.write(to: path) { output throws(InputError) in
      try SafetensorsFile.write(
        file.tensors.map { ($0.name, $0.dtype, $0.shape) }, metadata: file.metadata, to: output
      ) { index, memory throws(InputError) in
        let entry = file.tensors[index]
        try file.input.read(at: file.dataOffset + entry.range.lowerBound, into: memory)
        guard let tensor = tensorOfName[entry.name] else { return }
        let values = UnsafeBufferPointer(rebasing: weights[tensor.range])
        if let element = tensor.type.replace(memory, by: values) {
          throw InputError(
            path, "tensor '\(tensor.name)' cannot hold a weight as \(tensor.type.rawValue)",
            got: "\(values[element]) at element \(element)")
        }
      }
    }
  }

  private func offset(of tensor: Tensor) -> Int {
    file.dataOffset + file.tensor(tensor.name)!.range.lowerBound
  }
}

extension TensorType {
  /// Stores those of `values` that differ from the present numbers.
  ///
  /// - Returns: the first element that is not finite in this type; nil if all are finite.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  fileprivate func replace<Element: Scalar>(
    _ numbers: UnsafeMutableRawBufferPointer, by values: UnsafeBufferPointer<Element>
  ) -> Int? {
    let piece = 1 << 13
    let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: 2 * piece)
    defer { memory.deallocate() }
    for start in stride(from: 0, to: values.count, by: piece) {
      let count = min(piece, values.count - start)
      let present = UnsafeMutableBufferPointer(rebasing: memory[..<count])
      let new = UnsafeMutableBufferPointer(rebasing: memory[piece..<piece + count])
      let place = numbers.baseAddress! + start * byteCount
      convert(UnsafeRawPointer(place), into: present)
      _ = new.update(fromContentsOf: values[start..<start + count])
      if self == .bfloat16 { MixedPrecision.round(new, to: .bfloat16) }
      for i in 0..<count {
        // A pruned weight is 0, even if the F64 number was so small that it was read as 0.
        guard values[start + i] == 0 || present[i] != values[start + i] else { continue }
        store(new[i], at: place + i * byteCount)
      }
      convert(UnsafeRawPointer(place), into: present)
      if let element = UnsafeBufferPointer(present).firstNonFinite { return start + element }
    }
    return nil
  }

  /// Rounds `value` to this type, to nearest, ties to even, and stores it.
  ///
  /// - Parameters:
  ///   - value: for BF16, already rounded.
  ///   - place: aligned for the type.
  @inline(__always)
  private func store<Element: Scalar>(_ value: Element, at place: UnsafeMutableRawPointer) {
    switch self {
    case .float64: place.storeBytes(of: Double(value), as: Double.self)
    case .float32: place.storeBytes(of: Float(value), as: Float.self)
    case .float16: place.storeBytes(of: Float16(value), as: Float16.self)
    case .bfloat16:
      place.storeBytes(
        of: UInt16(truncatingIfNeeded: Float(value).bitPattern >> 16), as: UInt16.self)
    default: preconditionFailure("numbers of type \(rawValue)")
    }
  }
}
