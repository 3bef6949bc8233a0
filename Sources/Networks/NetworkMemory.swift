/// Reports a network whose memory size overflows.
public struct NetworkMemoryError: Error, CustomStringConvertible {
  /// Largest number of examples per call.
  public let maximumBatch: Int

  public var description: String {
    "a network of that size for \(maximumBatch) examples needs more memory than can be addressed"
  }
}

/// Counts the elements for the largest batch, and checks for overflow.
struct NetworkMemory {
  let maximumBatch: Int
  /// All outputs that have their own memory, and the numbers that layers keep.
  private(set) var activations = 0
  private(set) var choices = 0
  private(set) var gradients = 0
  private(set) var scratch = 0

  init(maximumBatch: Int) { self.maximumBatch = maximumBatch }

  /// Reserves an output of `count` elements per example; returns its start.
  mutating func addActivation(_ count: Int) throws(NetworkMemoryError) -> Int {
    try Self.extend(&activations, by: try product(count, maximumBatch), self)
  }

  /// Reserves what a layer keeps of a call, `count` elements per example and `once` more; returns
  /// its start.
  mutating func addKept(_ count: Int, once: Int) throws(NetworkMemoryError) -> Int {
    try Self.extend(&activations, by: try sum(try product(count, maximumBatch), once), self)
  }

  /// Reserves choices, `count` per example; returns their start.
  mutating func addChoices(_ count: Int) throws(NetworkMemoryError) -> Int {
    try Self.extend(&choices, by: try product(count, maximumBatch), self)
  }

  /// Reserves gradients of `count` elements per example; returns their start.
  mutating func addGradient(_ count: Int) throws(NetworkMemoryError) -> Int {
    try Self.extend(&gradients, by: try product(count, maximumBatch), self)
  }

  mutating func addScratch(_ count: Int) { scratch = max(scratch, count) }

  /// Returns the total number of bytes, for elements of `stride` bytes.
  func bytes(stride: Int) throws(NetworkMemoryError) -> Int {
    let elements = try sum(try sum(activations, scratch), gradients)
    return try sum(
      try product(elements, stride), try product(choices, MemoryLayout<Int32>.stride))
  }

  /// Reserves `count` elements; starts are multiples of 64 bytes.
  private static func extend(
    _ total: inout Int, by count: Int, _ memory: NetworkMemory
  ) throws(NetworkMemoryError) -> Int {
    let start = total
    total = try memory.sum(start, try memory.sum(count, 15)) & ~15
    return start
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
