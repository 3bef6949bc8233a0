/// Counts the memory of objects by making them: their initializers run, and each request for memory
/// is added up instead of allocated.
///
/// The count comes from the code that allocates, so it is known before a run takes the memory.
package final class MemoryCount: @unchecked Sendable {
  /// Names the purposes of memory that messages distinguish.
  package enum Use: Sendable {
    /// The state of an optimizer, or collected gradients.
    case state
    /// Parameters, gradients and examples.
    case vectors
    /// Outputs of a network's layers, and its scratch.
    case activations
  }

  private var bytes: [Use: Int] = [:]
  /// Returns the bytes counted for a use.
  package subscript(use: Use) -> Int { bytes[use] ?? 0 }
  /// Bytes of all uses; saturates at `Int.max`.
  package var total: Int { bytes.values.reduce(0, Self.sum) }
  private var use = Use.state
  private var isComplete = false

  /// Task-local: only the task that counts changes its count.
  @TaskLocal private static var current: MemoryCount?

  private init() {}

  /// Counts the memory of the objects that `make` returns. Their elements must not be accessed.
  package static func of<Made>(_ make: () throws -> Made) rethrows -> MemoryCount {
    let count = MemoryCount()
    try $current.withValue(count) {
      // The objects must live until they have been counted.
      let made = try make()
      count.isComplete = true
      withExtendedLifetime(made) {}
    }
    return count
  }

  /// Attributes the memory that `make` requests to `use`. If no count is in progress, it only calls
  /// `make`.
  package static func `for`<Made>(_ use: Use, _ make: () throws -> Made) rethrows -> Made {
    guard let count = current else { return try make() }
    let before = count.use
    count.use = use
    defer { count.use = before }
    return try make()
  }

  /// Returns an array of `count` zeros; the array is empty while memory is counted.
  package static func zeros(_ count: Int) -> [Double] {
    add(count, of: Double.self) == nil ? [Double](repeating: 0, count: count) : []
  }

  /// Adds elements that are being allocated to the current count; returns nil if no count is in
  /// progress.
  @discardableResult
  package static func add<Element>(_ elements: Int, of type: Element.Type) -> Entry? {
    guard let count = current else { return nil }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    let entry = Entry(count: count, use: count.use, bytes: overflow ? .max : bytes)
    count.bytes[count.use] = sum(count[count.use], entry.bytes)
    return entry
  }

  /// Represents memory that a count includes.
  package struct Entry {
    fileprivate let count: MemoryCount
    fileprivate let use: Use
    fileprivate let bytes: Int

    /// Subtracts memory that is freed while objects are still being made.
    func remove() {
      if !count.isComplete { count.bytes[use]! -= bytes }
    }
  }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }
}
