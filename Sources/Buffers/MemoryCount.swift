/// The memory of objects, counted by making them: their initialisers run, and what they ask for is
/// added up and not allocated.
///
/// So the memory of a run is known before it is taken, from the code that takes it.
public final class MemoryCount: @unchecked Sendable {
  /// The purposes that messages tell apart.
  public enum Use: Sendable {
    /// The state of an optimizer, or collected gradients.
    case state
    /// Parameters, gradients and examples.
    case vectors
    /// Outputs of a network's layers, and its scratch.
    case activations
  }

  private var bytes: [Use: Int] = [:]
  /// Bytes for a use.
  public subscript(use: Use) -> Int { bytes[use] ?? 0 }
  /// Bytes in all; the largest integer where they are more.
  public var total: Int { bytes.values.reduce(0, Self.sum) }
  private var use = Use.state
  private var isComplete = false

  /// Only the task that counts changes its count.
  @TaskLocal private static var current: MemoryCount?

  private init() {}

  /// Counts the memory of the objects that `make` returns. Their elements must not be accessed.
  public static func of<Made>(_ make: () throws -> Made) rethrows -> MemoryCount {
    let count = MemoryCount()
    try $current.withValue(count) {
      // The objects must live until they have been counted.
      let made = try make()
      count.isComplete = true
      withExtendedLifetime(made) {}
    }
    return count
  }

  /// Says what the memory is for that `make` asks for. Where nothing is counted it only calls it.
  public static func `for`<Made>(_ use: Use, _ make: () throws -> Made) rethrows -> Made {
    guard let count = current else { return try make() }
    let before = count.use
    count.use = use
    defer { count.use = before }
    return try make()
  }

  /// An array of zeros. Where memory is counted the array is empty.
  public static func zeros(_ count: Int) -> [Double] {
    add(count, of: Double.self) == nil ? [Double](repeating: 0, count: count) : []
  }

  /// Adds elements that are being allocated; nil where memory is not counted.
  @discardableResult
  public static func add<Element>(_ elements: Int, of type: Element.Type) -> Entry? {
    guard let count = current else { return nil }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    let entry = Entry(count: count, use: count.use, bytes: overflow ? .max : bytes)
    count.bytes[count.use] = sum(count[count.use], entry.bytes)
    return entry
  }

  /// Counted memory.
  public struct Entry {
    fileprivate let count: MemoryCount
    fileprivate let use: Use
    fileprivate let bytes: Int

    /// The memory is given back, which counts while objects are still being made.
    func remove() {
      if !count.isComplete { count.bytes[use]! -= bytes }
    }
  }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }
}
