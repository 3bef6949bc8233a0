import Formats
import MPI

/// A mask file is of the safetensors format: of each tensor that may be pruned one of its name and
/// shape, of BOOL, with 1 for a weight that is kept. What has none is kept whole.
extension Mask {
  /// Writes the mask of all ranks; the file appears when it is complete. Collective.
  ///
  /// - Parameters:
  ///   - tensors: of the vector [d], in its order.
  ///   - slices: every rank's.
  public func write(
    of tensors: [WeightTensor], slices: [Range<Int>], to path: String, on world: Communicator
  ) throws {
    let tensors = tensors.filter(\.isPrunable)
    let masks = try gathered(of: tensors, slices: slices, on: world)
    try world.agree {
      guard world.rank == 0 else { return }
      try SafetensorsFile.write(
        zip(tensors, masks).map { ($0.name, .bool, $0.shape, $1) }, to: path)
    }
  }

  /// The masks of whole tensors: 1 for a weight that is kept. Collective.
  func gathered(
    of tensors: [WeightTensor], slices: [Range<Int>], on world: Communicator
  ) throws -> [[UInt8]] {
    try tensors.map { tensor in
      let parts = slices.map { tensor.range.clamped(to: $0).count }
      let own = tensor.range.clamped(to: slice)
      return try world.allGather(
        own.map { isKept[$0 - slice.lowerBound] ? 1 : 0 }, counts: parts)
    }
  }

  /// Reads this rank's slice of a mask file.
  ///
  /// - Parameter tensors: of the weights that the mask is for.
  /// - Throws: `DatasetError` naming the file and the tensor where the mask is that of another model, or
  ///   no mask at all.
  public init(
    reading path: String, of tensors: [WeightTensor], slice: Range<Int>
  ) throws(DatasetError) {
    let file = try SafetensorsFile(path: path)
    self.init(slice: slice)
    // A mask without elements is of a tensor that has none.
    for entry in file.tensors where entry.count > 0 {
      guard let tensor = tensors.first(where: { $0.name == entry.name }) else {
        throw DatasetError(
          path, "a mask of another model: there are no weights '\(entry.name)'",
          expected: tensors.filter(\.isPrunable).map(\.name).joined(separator: ", "))
      }
      guard [.bool, .uint8].contains(entry.dtype) else {
        throw DatasetError(
          path, "tensor '\(entry.name)' is no mask", expected: "BOOL or U8",
          got: entry.dtype.rawValue)
      }
      guard entry.shape == tensor.shape else {
        throw DatasetError(
          path, "a mask of another model: tensor '\(entry.name)'",
          expected: "shape \(tensor.shape)", got: "\(entry.shape)")
      }
      var values = [UInt8](repeating: 0, count: entry.count)
      try values.withUnsafeMutableBufferPointer { values throws(DatasetError) in
        try file.read(
          entry.name, type: entry.dtype, shape: entry.shape,
          into: UnsafeMutableRawBufferPointer(values))
      }
      if let index = values.firstIndex(where: { $0 > 1 }) {
        throw DatasetError(
          path, "tensor '\(entry.name)' is no mask", expected: "0 or 1",
          got: "\(values[index]) at element \(index)")
      }
      for coordinate in tensor.range.clamped(to: slice) {
        isKept[coordinate - slice.lowerBound] = values[coordinate - tensor.range.lowerBound] == 1
      }
    }
    if let missing = tensors.first(where: { $0.isPrunable && file.tensor($0.name) == nil }) {
      throw DatasetError(
        path, "there is no mask of '\(missing.name)'",
        expected: tensors.filter(\.isPrunable).map(\.name).joined(separator: ", "),
        got: file.tensors.map(\.name).joined(separator: ", "))
    }
  }
}
