import Glibc

/// Owns zeroed memory for a fixed number of elements, aligned to 64 bytes. A run allocates each
/// buffer once. A buffer of 4 MiB or more asks for huge pages, which reduces TLB misses.
///
/// Inside `MemoryCount.of` a buffer is counted and has no memory: its elements cannot be accessed.
public final class Buffer<Element: BitwiseCopyable> {
  /// The first element. The buffer owns the memory.
  public let pointer: UnsafeMutablePointer<Element>
  public let count: Int
  private let counted: MemoryCount.Entry?

  /// Allocates `count` elements and sets all their bits to zero.
  public init(count: Int) {
    self.count = count
    counted = MemoryCount.add(count, of: Element.self)
    guard counted == nil else {
      // This address is never mapped, so an access ends the process.
      pointer = UnsafeMutablePointer(bitPattern: UInt(1) << 63)!
      return
    }
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let isLarge = bytes >= 2 * Self.hugePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
    // A kernel without huge pages returns an error, which costs nothing.
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
    // An element-by-element loop takes ten times as long if the type is unknown at compile time.
    memset(raw, 0, bytes)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
  }

  /// Allocates `count` elements, each equal to `value`.
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

  /// Accesses the elements of `range`, which must lie within the buffer.
  public subscript(range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside \(count) elements"
    )
    return UnsafeMutableBufferPointer(start: pointer + range.lowerBound, count: range.count)
  }
}
