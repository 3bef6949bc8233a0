import Formats
import LinearAlgebra
import MPI
import Sharding

/// Marks the kept weights of this rank's slice; the others are zero and stay zero.
public struct Mask: Sendable, Equatable {
  /// This rank's coordinates in the vector [d].
  public let slice: Range<Int>
  /// One flag per coordinate of the slice.
  public internal(set) var isKept: [Bool]

  /// Creates a mask that keeps all weights.
  public init(slice: Range<Int>) {
    self.slice = slice
    isKept = [Bool](repeating: true, count: slice.count)
  }

  /// Creates a mask from one flag per coordinate of the slice.
  public init(slice: Range<Int>, isKept: [Bool]) {
    precondition(
      isKept.count == slice.count, "a mask of \(isKept.count) for the slice \(slice)")
    self.slice = slice
    self.isKept = isKept
  }

  /// One flag per coordinate of the slice.
  var isRemoved: [Bool] { isKept.map { !$0 } }

  /// Writes zero for removed weights, and for kept ones `from + τ (to − from)`.
  func step<Element: Scalar>(
    _ step: Double, from: UnsafeBufferPointer<Element>, to: [Element],
    into result: UnsafeMutableBufferPointer<Element>
  ) {
    for i in isKept.indices {
      let (a, b) = (Double(from[i]), Double(to[i]))
      // A step of 1 copies the numbers without rounding.
      result[i] = !isKept[i] ? 0 : step == 1 ? to[i] : Element(a + step * (b - a))
    }
  }

  /// Sets the removed weights of a slice to zero.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func apply<Element: Scalar>(to weights: UnsafeMutableBufferPointer<Element>) {
    precondition(
      weights.count == slice.count, "\(weights.count) weights under a mask for \(slice)")
    for i in isKept.indices where !isKept[i] { weights[i] = 0 }
  }

  /// Returns ‖δ_R‖/‖w_R‖ of the kept weights over all ranks, or 0 if δ_R is zero. Collective.
  ///
  /// - Parameters:
  ///   - before: w of this rank's slice.
  ///   - after: w + δ of this rank's slice.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func relativeChange<Element: Scalar>(
    from before: [Element], to after: UnsafeBufferPointer<Element>, partition: CellPartition,
    on world: Communicator
  ) throws -> Double {
    let cells = partition.cellsInSlice(of: world.rank)
    var squares = [Double](repeating: 0, count: 2 * cells.count)
    for (cell, range) in cells.enumerated() {
      for i in range where isKept[i] {
        let (old, change) = (Double(before[i]), Double(after[i]) - Double(before[i]))
        squares[2 * cell] += change * change
        squares[2 * cell + 1] += old * old
      }
    }
    let sums = try squares.withUnsafeMutableBufferPointer {
      try TreeSum(partition, rank: world.rank).total(of: $0, width: 2, on: world)
    }
    return sums[0] == 0 ? 0 : (sums[0] / sums[1]).squareRoot()
  }

  /// Returns the number of kept weights of each tensor, over all ranks. Collective.
  public func keptCounts(of tensors: [WeightTensor], on world: Communicator) throws -> [Int] {
    var local = tensors.map { tensor in
      let range = tensor.range.clamped(to: slice)
      return Double(range.count { isKept[$0 - slice.lowerBound] })
    }
    // Counts are exact in any order.
    let sum = TreeSum(Partition(of: world.size, over: world.size), rank: world.rank)
    return try local.withUnsafeMutableBufferPointer {
      try sum.total(of: $0, width: $0.count, on: world)
    }.map { Int($0) }
  }
}

/// A mask file has the safetensors format. It holds a BOOL tensor of the same name and shape for
/// each prunable tensor, with 1 for a kept weight. A tensor without a mask is kept whole.
extension Mask {
  /// Writes the mask of all ranks; the file appears when it is complete. Collective.
  ///
  /// - Parameters:
  ///   - tensors: all tensors of the vector [d], in its order.
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

  /// Returns the masks of whole tensors: 1 for each kept weight. Collective.
  func gathered(
    of tensors: [WeightTensor], slices: [Range<Int>], on world: Communicator
  ) throws -> [[UInt8]] {
    try tensors.map { tensor in
      let parts = slices.map { tensor.range.clamped(to: $0).count }
      let local = tensor.range.clamped(to: slice)
      return try world.allGather(
        local.map { isKept[$0 - slice.lowerBound] ? 1 : 0 }, counts: parts)
    }
  }

  /// Reads this rank's slice of a mask file.
  ///
  /// - Parameter tensors: the tensors of the masked weights.
  /// - Throws: `InputError` naming the file and the tensor if the file is another model's mask or
  ///   no mask.
  public init(
    reading path: String, of tensors: [WeightTensor], slice: Range<Int>
  ) throws(InputError) {
    let file = try SafetensorsFile(path: path)
    self.init(slice: slice)
    // An empty mask belongs to an empty tensor.
    for entry in file.tensors where entry.count > 0 {
      guard let tensor = tensors.first(where: { $0.name == entry.name }) else {
        throw InputError(
          path, "a mask of another model: there are no weights '\(entry.name)'",
          expected: "\(tensors.filter(\.isPrunable).map(\.name).joined(separator: ", "))")
      }
      guard [.bool, .uint8].contains(entry.dtype) else {
        throw InputError(
          path, "tensor '\(entry.name)' is not a mask", expected: "BOOL or U8",
          got: "\(entry.dtype.rawValue)")
      }
      guard entry.shape == tensor.shape else {
        throw InputError(
          path, "a mask of another model: tensor '\(entry.name)'",
          expected: "shape \(tensor.shape)", got: "\(entry.shape)")
      }
      var values = [UInt8](repeating: 0, count: entry.count)
      try values.withUnsafeMutableBufferPointer { values throws(InputError) in
        try file.read(
          entry.name, type: entry.dtype, shape: entry.shape,
          into: UnsafeMutableRawBufferPointer(values))
      }
      if let index = values.firstIndex(where: { $0 > 1 }) {
        throw InputError(
          path, "tensor '\(entry.name)' is not a mask", expected: "0 or 1",
          got: "\(values[index]) at element \(index)")
      }
      for coordinate in tensor.range.clamped(to: slice) {
        isKept[coordinate - slice.lowerBound] = values[coordinate - tensor.range.lowerBound] == 1
      }
    }
    if let missing = tensors.first(where: { $0.isPrunable && file.tensor($0.name) == nil }) {
      throw InputError(
        path, "there is no mask of '\(missing.name)'",
        expected: "\(tensors.filter(\.isPrunable).map(\.name).joined(separator: ", "))",
        got: "\(file.tensors.map(\.name).joined(separator: ", "))")
    }
  }
}
