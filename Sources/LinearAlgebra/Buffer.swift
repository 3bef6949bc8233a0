import Glibc

/// Zeroed memory of a fixed number of elements, aligned to 64 bytes: one allocation for a run.
/// Large ones ask for huge pages, whose addresses a core looks up seldom.
public final class Buffer<Element: BitwiseCopyable & ExpressibleByIntegerLiteral> {
  /// The first element; the memory is the buffer's.
  public let pointer: UnsafeMutablePointer<Element>
  /// How many elements there are.
  public let count: Int

  /// Allocates `count` elements, all zero.
  public init(count: Int) {
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let isLarge = bytes >= 2 * Self.hugePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
    // A kernel without them says no, and nothing is lost.
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
    // Of every number that is stored here, 0 is zero bits; element by element it takes ten times as
    // long where the type is not known at compile time.
    memset(raw, 0, bytes)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  private static var hugePage: Int { 2 << 20 }

  deinit { pointer.deallocate() }

  /// All elements.
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
