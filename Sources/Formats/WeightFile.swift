import LinearAlgebra

/// The weights of a model from any framework: a vector [d] of those of a safetensors file's tensors
/// that are asked for, and all that it takes to write the same file with others in their place.
///
///   d   elements of these tensors, one tensor after the other in the order of the file's data
///
/// Files written by PyTorch hold their tensors sorted by type and then by name, not in the order of
/// the model's layers.
public struct WeightFile: Sendable {
  /// A tensor of the file, and its place in the vector of all weights.
  public struct Tensor: Equatable, Sendable {
    /// Under which the file has it.
    public let name: String
    /// Its dimensions, the last one running fastest.
    public let shape: [Int]
    /// Of its elements in the file.
    public let type: TensorType
    /// Its elements in the vector, in row-major order.
    public let range: Range<Int>

    /// A tensor whose elements have the places `range` of the vector.
    public init(name: String, shape: [Int], type: TensorType, range: Range<Int>) {
      self.name = name
      self.shape = shape
      self.type = type
      self.range = range
    }
  }

  /// Of the file, as it was opened.
  public var path: String { file.path }
  /// Those that have a place in the vector, in its order.
  public let tensors: [Tensor]
  let file: SafetensorsFile

  /// d
  public var count: Int { tensors.last?.range.upperBound ?? 0 }
  /// Every tensor of the file, those without a place in the vector too.
  public var entries: [TensorEntry] { file.tensors }

  /// The tensors without a place in the vector.
  public var others: [TensorContent] {
    let names = Set(tensors.map(\.name))
    return file.tensors.filter { !names.contains($0.name) }.map { entry in
      TensorContent(name: entry.name, type: entry.dtype, shape: entry.shape) {
        memory throws(InputError) in
        try file.input.read(at: file.dataOffset + entry.range.lowerBound, into: memory)
      }
    }
  }

  /// - Parameter isIncluded: is asked for each tensor of type F16, BF16, F32 or F64; the others,
  ///   and those that it declines, have no place in the vector.
  /// - Throws: `InputError` naming the file and what is wrong with it, or where no tensor is
  ///   left.
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

  /// Fills `weights`, shape [d]; F64 is rounded to a narrower scalar, all others are exact.
  ///
  /// - Throws: `InputError` naming the tensor with a weight that is not finite in the scalar's
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

  /// Writes a file of the same tensors, types, shapes and text about it, with `weights` in the
  /// place of those that were read. It appears when it is complete.
  ///
  /// An element whose weight is still the scalar that was read keeps its bits, in F64 too, but for
  /// a weight of 0, which is written as 0. Others are rounded once to their tensor's type, to the
  /// nearest, ties to even. What is not in the vector is copied.
  ///
  /// - Parameter weights: shape [d].
  /// - Throws: `InputError` with the system's reason, or naming the tensor whose type cannot hold
  ///   a weight.
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
  /// Stores those of `values` that differ from what is there.
  ///
  /// - Returns: the first element that is not finite in this type; nil where all are.
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
        // A pruned weight is 0, also where an F64 is so small that it was read as 0.
        guard values[start + i] == 0 || present[i] != values[start + i] else { continue }
        store(new[i], at: place + i * byteCount)
      }
      convert(UnsafeRawPointer(place), into: present)
      if let element = UnsafeBufferPointer(present).firstNonFinite { return start + element }
    }
    return nil
  }

  /// A number of this type becomes the one nearest to `value`; where two are as near, the even one.
  ///
  /// - Parameters:
  ///   - value: of BF16 one that it holds.
  ///   - place: aligned as the type asks for.
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
