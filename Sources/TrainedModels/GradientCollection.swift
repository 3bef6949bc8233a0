import Datasets
import Formats
import LinearAlgebra
import MPI
import Networks
import Sharding

/// Collects gradients of a network in evaluation mode, for an empirical Fisher matrix. Batch-norms
/// use their running statistics; nothing is dropped or augmented. Each of p ranks computes whole
/// rows and receives its columns of all rows.
///
///   row r of G [.., d]   the mean gradient over the b examples of batch r, and their positions
///
/// Batch r is that of step r of a `BatchOrder`: a run of b examples in a permutation drawn by the
/// seed. Examples left over at the permutation's end are dropped, and another permutation follows.
/// There are always as many rows as requested, whereas the published programs leave rows of zeros
/// or end. Rows of one permutation share no example; a permutation spans the rows from a multiple
/// of `rowsPerEpoch` up to the next.
///
/// Singh and Alistarh, WoodFisher, 2020; Frantar, Kurtic and Alistarh, M-FAC, 2021.
public final class GradientCollection<Element: Scalar> {
  /// Largest number of examples in one pass of the network.
  private static var largestChunk: Int { 32 }

  /// Number of rows before an example is used again.
  public let rowsPerEpoch: Int
  private let network: Network<Element>
  private let loss: Loss
  private let examples: any Examples
  private var batches: BatchOrder
  private let chunk: ExampleBuffer<Element>
  private let exchange: RowExchange<Element>
  private let row: Buffer<Element>
  private let part: Buffer<Element>

  /// Allocates the collection. Collective.
  ///
  /// - Parameters:
  ///   - order: the order of the examples.
  ///   - examplesPerRow: b.
  ///   - slices: each rank's columns, one after another from 0 to d; some may be empty.
  /// - Throws: `InputError` if there are fewer than b examples; `NetworkMemoryError`.
  public init(
    of network: NetworkDescription, loss: Loss, on examples: any Examples,
    order: BatchOrder.Order = .shuffled, examplesPerRow: Int, seed: UInt64, slices: [Range<Int>],
    over world: Communicator
  ) throws {
    let capacity = min(examplesPerRow, Self.largestChunk)
    batches = try BatchOrder.ofRows(
      of: examples, order: order, examplesPerRow: examplesPerRow, seed: seed)
    rowsPerEpoch = batches.batchesPerEpoch
    self.network = try MemoryCount.for(.activations) {
      try Network(network, maximumBatch: capacity)
    }
    self.loss = loss
    self.examples = examples
    (chunk, exchange, row, part) = MemoryCount.for(.vectors) {
      (
        ExampleBuffer(examples, capacity: capacity), RowExchange(slices, on: world),
        Buffer(count: network.layout.count),
        Buffer(count: examplesPerRow > capacity ? network.layout.count : 0)
      )
    }
  }

  /// Computes rows and passes this rank's columns of each to `store`. Collective.
  ///
  /// - Parameters:
  ///   - rows: any range; rows outside an earlier range use other examples, see above.
  ///   - parameters: [d], the same on all ranks, like `state`, the running statistics [s].
  ///   - store: receives a row's number and this rank's columns, which are valid during the call.
  /// - Returns: the mean loss over all the rows' predictions, the same bits at any number of ranks.
  /// - Throws: `NonFiniteRow` on all ranks together; earlier rows may have been stored.
  public func collect(
    rows: Range<Int>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Element>) throws -> Void
  ) throws -> Double {
    precondition(!rows.isEmpty && rows.lowerBound >= 0, "rows \(rows)")
    let phase = world.status.phase
    defer { world.status.phase = phase }
    var losses = FixedTree<Double>(leaves: rows.count) { $0 + $1 }
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: world.size) {
      world.status.phase = "row \(first) of the gradients"
      let count = min(world.size, rows.upperBound - first)
      var local: [Double] = []
      if world.rank < count {
        let loss = compute(row: first + world.rank, parameters, state)
        // A row is refused if it or its loss is not finite.
        local = [UnsafeBufferPointer(row.all).firstNonFinite == nil ? loss : .nan]
      }
      var sums = [Double](repeating: 0, count: count)
      try world.allGather(
        local, counts: (0..<world.size).map { $0 < count ? 1 : 0 }, into: &sums)
      if let wrong = sums.firstIndex(where: { !$0.isFinite }) {
        throw NonFiniteRow(
          row: first + wrong,
          examples: batches.indices(step: first + wrong).map(examples.indexInSource),
          source: examples.source)
      }
      for (rank, sum) in sums.enumerated() {
        losses.add(leaf: first - rows.lowerBound + rank, sum)
      }
      try exchange.exchange(
        local.isEmpty ? nil : UnsafeBufferPointer(row.all), rows: count, on: world
      ) { try store(first + $0, $1) }
    }
    return losses.root / Double(rows.count * batches.batchSize * network.positions)
  }

  /// Computes a row into `row`; returns the sum of its losses.
  private func compute(
    row index: Int, _ parameters: UnsafeBufferPointer<Element>,
    _ state: UnsafeBufferPointer<Element>
  ) -> Double {
    let batch = batches.indices(step: index)
    let scale = 1 / Element(batch.count * network.positions)
    var sum = 0.0
    for start in stride(from: batch.startIndex, to: batch.endIndex, by: Self.largestChunk) {
      chunk.load(batch[start..<min(start + Self.largestChunk, batch.endIndex)], epoch: nil)
      let gradient = start == batch.startIndex ? row : part
      sum += network.lossAndGradient(
        inputs: chunk.inputs, targets: chunk.targets, parameters: parameters, state: state,
        gradient: gradient.all, loss: loss, scale: scale)
      guard start > batch.startIndex else { continue }
      let (total, next) = (row.pointer, part.pointer)
      for i in 0..<row.count { total[i] += next[i] }
    }
    return sum
  }
}

extension BatchOrder {
  /// Returns the order that assigns examples to rows.
  static func ofRows(
    of examples: any Examples, order: BatchOrder.Order = .shuffled, examplesPerRow: Int,
    seed: UInt64
  ) throws(InputError) -> BatchOrder {
    guard (1...examples.count).contains(examplesPerRow) else {
      throw InputError(
        setting: "gradient-batch", "a row of gradients is a mean over examples",
        expected: "1 to \(examples.count), the examples of \(examples.source)",
        got: "\(examplesPerRow)")
    }
    return try BatchOrder(
      exampleCount: examples.count, batchSize: examplesPerRow, order: order, seed: seed)
  }
}

/// Reports a row of gradients that is not finite; no Fisher matrix can be computed from it.
package struct NonFiniteRow: SharedError, CustomStringConvertible {
  let row: Int
  let examples: [Int]
  let source: String

  package var description: String {
    """
    row \(row) of the gradients, or its loss, is not finite (examples \
    \(InputError.list(examples.map(String.init))) of \(source))
    """
  }
}
