/// Zeroed memory of a fixed number of elements, aligned to 64 bytes: one allocation for a run.
public final class Buffer<Element: BitwiseCopyable & ExpressibleByIntegerLiteral> {
  public let pointer: UnsafeMutablePointer<Element>
  public let count: Int

  public init(count: Int) {
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<Element>.stride, alignment: 64)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
    pointer.initialize(repeating: 0, count: count)
    self.count = count
  }

  deinit { pointer.deallocate() }

  public var all: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// The elements of `range`, which must lie within the buffer.
  public subscript(range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside \(count) elements"
    )
    return UnsafeMutableBufferPointer(start: pointer + range.lowerBound, count: range.count)
  }
}
