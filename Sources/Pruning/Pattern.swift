import Formats

/// A tensor among weights that are pruned, as selection and masks know it.
public struct WeightTensor: Sendable, Equatable {
  /// As in the file of weights.
  public let name: String
  /// [outputs, inputs, …] of those that patterns are for.
  public let shape: [Int]
  /// Its elements in the vector [d], in row-major order.
  public let range: Range<Int>
  /// Whether its weights may be removed.
  public let isPrunable: Bool
  /// Products with inputs that each of its weights is in, for an example; 0 where there are none,
  /// or where that is not known.
  public let multiplyAdds: Int

  /// A tensor in the places `range` of the vector.
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

/// Which weights of a tensor are removed together, or instead of one another.
///
/// Weights are counted along the dimensions of a tensor [outputs, inputs, …]: those of a
/// convolution at each position of its kernel apart.
public enum Pattern: Sendable, Equatable, CustomStringConvertible {
  /// Each for itself.
  case unstructured
  /// Blocks of `rows` outputs by `columns` inputs, whole ones.
  case blocks(rows: Int, columns: Int)
  /// Of `count` consecutive inputs each, `kept` stay.
  case consecutive(kept: Int, of: Int)
  /// All weights of an output: a row, or a filter of a convolution.
  case channels

  /// - Parameter text: `unstructured`, `1x4` for blocks, `2:4` for 2 of each 4 consecutive ones, or
  ///   `channels`.
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

  /// The sparsity that the pattern alone decides.
  public var sparsity: Double? {
    guard case .consecutive(let kept, let count) = self else { return nil }
    return Double(count - kept) / Double(count)
  }

  /// Outputs and inputs of a block; nil where tensors have blocks of different sizes.
  private var block: (rows: Int, columns: Int)? {
    switch self {
    case .unstructured: (1, 1)
    case .blocks(let rows, let columns): (rows, columns)
    case .consecutive(_, let count): (1, count)
    case .channels: nil
    }
  }

  /// Weights that every block has; nil where tensors have blocks of different sizes.
  var blockSize: Int? { block.map { $0.rows * $0.columns } }

  /// Weights of a tensor's block.
  func blockSize(in tensor: WeightTensor) -> Int {
    blockSize ?? tensor.range.count / tensor.shape[0]
  }

  /// A tensor as a matrix of `inner` interleaved columns for each input, and its blocks.
  func blocks(
    in tensor: WeightTensor
  ) -> (rows: Int, columns: Int, row: Int, inner: Int) {
    guard self != .unstructured else { return (1, 1, 1, 1) }
    let row = tensor.range.count / tensor.shape[0]
    guard let block else { return (1, row, row, 1) }
    return (block.rows, block.columns, row, row / tensor.shape[1])
  }

  /// - Throws: `PruningError` where the tensor cannot be cut into whole blocks.
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
