import Glibc

/// Zeroed memory of a fixed number of elements, aligned to 64 bytes: one allocation for a run.
/// Large ones ask for huge pages, whose addresses a core looks up seldom.
///
/// Inside `MemoryCount.of` a buffer is counted and has no memory: its elements cannot be accessed.
public final class Buffer<Element: BitwiseCopyable> {
  /// The first element; the memory is the buffer's.
  public let pointer: UnsafeMutablePointer<Element>
  /// The number of elements.
  public let count: Int
  private let counted: MemoryCount.Entry?

  /// Allocates `count` elements. The bits of each are zero.
  public init(count: Int) {
    self.count = count
    counted = MemoryCount.add(count, of: Element.self)
    guard counted == nil else {
      // No process has memory at this address: an access ends it.
      pointer = UnsafeMutablePointer(bitPattern: UInt(1) << 63)!
      return
    }
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let isLarge = bytes >= 2 * Self.hugePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
    // A kernel without them says no, and nothing is lost.
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
    // Element by element it takes ten times as long where the type is not known at compile time.
    memset(raw, 0, bytes)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
  }

  /// Allocates `count` elements of the same value.
  public convenience init(repeating value: Element, count: Int) {
    self.init(count: count)
    if counted == nil { all.update(repeating: value) }
  }

  private static var hugePage: Int { 2 << 20 }

  deinit {
    if let counted { counted.remove() } else { pointer.deallocate() }
  }

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
