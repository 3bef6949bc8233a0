/// A network whose memory cannot be counted, let alone allocated.
public struct NetworkMemoryError: Error, CustomStringConvertible {
  /// The largest number of examples at once.
  public let maximumBatch: Int

  public var description: String {
    "a network of that size for \(maximumBatch) examples needs more memory than can be addressed"
  }
}

/// Counts of elements for the largest batch, checked for overflow.
struct NetworkMemory {
  let maximumBatch: Int
  /// All outputs that have memory of their own.
  private(set) var activations = 0
  private(set) var choices = 0
  /// Each of the two places between which gradients of activations go back and forth.
  private(set) var gradient = 0
  private(set) var scratch = 0

  init(maximumBatch: Int) { self.maximumBatch = maximumBatch }

  /// Makes room for an output; returns where it begins, at a multiple of 64 bytes.
  mutating func addActivation(_ count: Int) throws(NetworkMemoryError) -> Int {
    let start = activations
    activations = try sum(start, try sum(try product(count, maximumBatch), 15)) & ~15
    return start
  }

  /// Makes room for choices; returns where they begin.
  mutating func addChoices(_ count: Int) throws(NetworkMemoryError) -> Int {
    let start = choices
    choices = try sum(start, try product(count, maximumBatch))
    return start
  }

  mutating func addGradient(_ count: Int) throws(NetworkMemoryError) {
    gradient = max(gradient, try product(count, maximumBatch))
  }

  mutating func addScratch(_ count: Int) { scratch = max(scratch, count) }

  /// Of all of it, for elements of `stride` bytes.
  func bytes(stride: Int) throws(NetworkMemoryError) -> Int {
    let elements = try sum(try sum(activations, scratch), try product(gradient, 2))
    return try sum(
      try product(elements, stride), try product(choices, MemoryLayout<Int32>.stride))
  }

  private func product(_ a: Int, _ b: Int) throws(NetworkMemoryError) -> Int {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    guard !overflow else { throw NetworkMemoryError(maximumBatch: maximumBatch) }
    return product
  }

  private func sum(_ a: Int, _ b: Int) throws(NetworkMemoryError) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    guard !overflow else { throw NetworkMemoryError(maximumBatch: maximumBatch) }
    return sum
  }
}
