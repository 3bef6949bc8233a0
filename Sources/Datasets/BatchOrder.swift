import Formats
import RandomNumbers

/// Selects the examples of each batch: a pure function of the step, given example count, batch
/// size, order and seed.
///
/// An epoch has `exampleCount / batchSize` batches; both orders drop the remainder.
public struct BatchOrder: Sendable {
  /// Orders the examples within an epoch.
  public enum Order: String, CaseIterable, Sendable {
    /// A new permutation in each epoch.
    case shuffled
    /// File order in each epoch.
    case sequential
  }

  public let exampleCount: Int
  /// Examples in a batch, over all ranks.
  public let batchSize: Int
  public let order: Order
  /// Seed of the permutations.
  public let seed: UInt64
  /// Full batches of an epoch; the remainder is dropped.
  public var batchesPerEpoch: Int { exampleCount / batchSize }

  // The order of one epoch, cached because its steps follow one another.
  private var epoch = 0
  private var examples: [Int]

  /// Creates the order of the first epoch.
  ///
  /// - Throws: `InputError` when a batch is larger than the dataset, or empty.
  public init(
    exampleCount: Int, batchSize: Int, order: Order, seed: UInt64
  ) throws(InputError) {
    guard batchSize > 0 else {
      throw InputError("batch size", "\(batchSize) is not positive")
    }
    guard batchSize <= exampleCount else {
      throw InputError(
        "batch size", "\(batchSize) exceeds the \(exampleCount) training examples")
    }
    self.exampleCount = exampleCount
    self.batchSize = batchSize
    self.order = order
    self.seed = seed
    examples = Self.examples(count: exampleCount, order: order, seed: seed, epoch: 0)
  }

  /// Returns the examples of a step, shape [batchSize]; steps count from 0 over all epochs.
  public mutating func indices(step: Int) -> ArraySlice<Int> {
    precondition(step >= 0, "step \(step) is negative")
    let (epoch, batch) = step.quotientAndRemainder(dividingBy: batchesPerEpoch)
    if epoch != self.epoch {
      self.epoch = epoch
      examples = Self.examples(count: exampleCount, order: order, seed: seed, epoch: epoch)
    }
    return examples[batch * batchSize..<(batch + 1) * batchSize]
  }

  private static func examples(count: Int, order: Order, seed: UInt64, epoch: Int) -> [Int] {
    switch order {
    case .sequential: return Array(0..<count)
    case .shuffled:
      precondition(epoch < 1 << 32, "epoch \(epoch) does not fit its 32 bits of a stream")
      // Streams below 2³² draw the tensors' initial values.
      let stream = 1 << 32 | UInt64(epoch)
      return CounterRandom(seed: seed, stream: stream).permutation(count: count)
    }
  }
}
