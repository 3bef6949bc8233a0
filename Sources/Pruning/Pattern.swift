import Formats

/// Describes a tensor among the weights, for selection and masks.
public struct WeightTensor: Sendable, Equatable {
  /// The tensor's name in the weight file.
  public let name: String
  /// [outputs, inputs, …] if a pattern applies.
  public let shape: [Int]
  /// Its elements in the vector [d], in row-major order.
  public let range: Range<Int>
  /// True if the tensor's weights may be removed.
  public let isPrunable: Bool
  /// Multiply-adds with each weight per example; 0 if there are none or if the number is unknown.
  public let multiplyAdds: Int

  /// Creates a tensor with the elements `range` of the vector.
  public init(
    name: String, shape: [Int], range: Range<Int>, isPrunable: Bool, multiplyAdds: Int = 0
  ) {
    precondition(
      shape.reduce(1, *) == range.count, "'\(name)' of shape \(shape) at \(range)")
    self.name = name
    self.shape = shape
    self.range = range
    self.isPrunable = isPrunable
    self.multiplyAdds = multiplyAdds
  }
}

/// Selects which weights of a tensor are removed together or compete in groups.
///
/// Weights are counted along the dimensions of a tensor [outputs, inputs, …]. In a convolution,
/// each position of the kernel is counted separately.
public enum Pattern: Sendable, Equatable, CustomStringConvertible {
  /// Each weight alone.
  case unstructured
  /// Whole blocks of `rows` outputs by `columns` inputs.
  case blocks(rows: Int, columns: Int)
  /// `kept` of each `count` consecutive inputs stay.
  case consecutive(kept: Int, of: Int)
  /// All weights of an output: a row, or a filter of a convolution.
  case channels

  /// Parses a pattern.
  ///
  /// - Parameter text: `unstructured`, `1x4` for blocks, `2:4` for 2 of every 4 consecutive inputs,
  ///   or `channels`.
  public init?(_ text: String) {
    func numbers(_ separator: Character) -> (Int, Int)? {
      let parts = text.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
      guard parts.count == 2, let first = parts[0], let second = parts[1], first > 0, second > 0,
        first <= 4096, second <= 4096
      else { return nil }
      return (first, second)
    }
    if text == "unstructured" {
      self = .unstructured
    } else if text == "channels" {
      self = .channels
    } else if let (rows, columns) = numbers("x"), rows * columns > 1 {
      self = .blocks(rows: rows, columns: columns)
    } else if let (kept, count) = numbers(":"), kept < count {
      self = .consecutive(kept: kept, of: count)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .unstructured: "unstructured"
    case .blocks(let rows, let columns): "\(rows)x\(columns)"
    case .consecutive(let kept, let count): "\(kept):\(count)"
    case .channels: "channels"
    }
  }

  /// The sparsity that the pattern prescribes, if any.
  public var sparsity: Double? {
    guard case .consecutive(let kept, let count) = self else { return nil }
    return Double(count - kept) / Double(count)
  }

  /// Outputs and inputs of a block; nil if the block size differs between tensors.
  private var block: (rows: Int, columns: Int)? {
    switch self {
    case .unstructured: (1, 1)
    case .blocks(let rows, let columns): (rows, columns)
    case .consecutive(_, let count): (1, count)
    case .channels: nil
    }
  }

  /// Weights per block; nil if the block size differs between tensors.
  var blockSize: Int? { block.map { $0.rows * $0.columns } }

  /// Returns the number of weights in a block of a tensor.
  func blockSize(in tensor: WeightTensor) -> Int {
    blockSize ?? tensor.range.count / tensor.shape[0]
  }

  /// Returns a tensor's layout, a matrix of `inner` interleaved columns per input, and its block
  /// size.
  func blocks(
    in tensor: WeightTensor
  ) -> (rows: Int, columns: Int, row: Int, inner: Int) {
    guard self != .unstructured else { return (1, 1, 1, 1) }
    let row = tensor.range.count / tensor.shape[0]
    guard let block else { return (1, row, row, 1) }
    return (block.rows, block.columns, row, row / tensor.shape[1])
  }

  /// Checks that the tensor divides into whole blocks.
  ///
  /// - Throws: `PruningError` if it does not.
  func check(_ tensor: WeightTensor) throws(PruningError) {
    guard self != .unstructured else { return }
    let shape = tensor.shape
    guard shape.count >= 2 else {
      throw PruningError(
        "tensor '\(tensor.name)': the pattern \(self) is for two dimensions or more: expected it "
          + "excluded, got shape \(shape)")
    }
    guard let block else { return }
    guard shape[0] % block.rows == 0, shape[1] % block.columns == 0 else {
      throw PruningError(
        "tensor '\(tensor.name)' cannot be cut into the blocks of the pattern \(self): expected a "
          + "multiple of \(block.rows) outputs and of \(block.columns) inputs, or it excluded, got "
          + "shape \(shape)")
    }
  }
}
