import LinearAlgebra

/// Reads named tensors in a file of the safetensors format.
///
/// Opening a file reads and checks the whole header. Values are read on demand.
public final class SafetensorsFile: Sendable {
  /// The path as the caller gave it.
  public let path: String
  /// The tensors in the order of their data.
  public let tensors: [TensorEntry]
  /// Text about the file from its writer.
  public let metadata: [String: String]
  let input: InputFile
  /// Byte offset of the data in the file.
  package let dataOffset: Int
  private let indexOfName: [String: Int]

  /// Opens a file and reads its header.
  ///
  /// - Throws: `InputError` naming the file and the byte or tensor at fault.
  public init(path: String) throws(InputError) {
    self.path = path
    input = try InputFile(path)
    guard input.count >= 8 else {
      throw InputError(
        path, "too short for a safetensors file", expected: "at least 8 bytes",
        got: "\(input.count)")
    }
    // The header follows its 8-byte length.
    let start = try input.start()
    if start.dropFirst(8).first != UInt8(ascii: "{") {
      try FileFormat.refuse(
        start, size: input.count, of: path, for: .numbers,
        expected: "a safetensors file, as safetensors.torch.save_file writes it")
    }
    let size = try input.read(0..<8, as: UInt64.self)[0]
    guard size <= UInt64(SafetensorsHeader.largestSize) else {
      throw InputError(
        path, "not a safetensors file, or its header is too long",
        expected: "at most \(SafetensorsHeader.largestSize) bytes", got: "\(size)")
    }
    dataOffset = 8 + Int(size)
    guard dataOffset <= input.count else {
      throw InputError(
        path, "the header ends beyond the file", expected: "at least \(dataOffset) bytes",
        got: "\(input.count)")
    }
    let header = try SafetensorsHeader(
      try input.read(8..<dataOffset), dataSize: input.count - dataOffset, file: path)
    tensors = header.tensors
    metadata = header.metadata
    indexOfName = Dictionary(uniqueKeysWithValues: zip(tensors.map(\.name), tensors.indices))
  }

  /// Returns the entry of a tensor; nil if no tensor has this name.
  public func tensor(_ name: String) -> TensorEntry? { indexOfName[name].map { tensors[$0] } }

  /// Returns a tensor's values in row-major order. F64 is rounded to a narrower scalar; all other
  /// types are exact.
  ///
  /// - Throws: `InputError` if there is no such tensor, or its type is not F16, BF16, F32 or F64.
  public func values<Element: Scalar>(
    _ name: String, as scalar: Element.Type = Element.self
  ) throws(InputError) -> [Element] {
    guard let tensor = tensor(name) else {
      throw InputError(path, "there is no tensor '\(name)'")
    }
    guard tensor.dtype.isFloatingPoint else {
      throw InputError(
        path, "tensor '\(name)' has another type", expected: "\(TensorType.floatingPointNames)",
        got: "\(tensor.dtype.rawValue)")
    }
    var values = [Element](repeating: 0, count: tensor.count)
    try values.withUnsafeMutableBufferPointer { values throws(InputError) in
      try input.read(
        at: dataOffset + tensor.range.lowerBound, type: tensor.dtype, into: values)
    }
    return values
  }

  /// Fills memory with a tensor's bytes.
  ///
  /// - Throws: `InputError` if there is no such tensor of that type and shape.
  public func read(
    _ name: String, type: TensorType, shape: [Int], into memory: UnsafeMutableRawBufferPointer
  ) throws(InputError) {
    guard let tensor = tensor(name) else {
      throw InputError(path, "there is no tensor '\(name)'")
    }
    guard tensor.dtype == type, tensor.shape == shape, tensor.range.count == memory.count else {
      throw InputError(
        path, "tensor '\(name)' has another type or shape",
        expected: "\(type.rawValue), shape \(shape)",
        got: "\(tensor.dtype.rawValue), shape \(tensor.shape)")
    }
    try input.read(at: dataOffset + tensor.range.lowerBound, into: memory)
  }
}
