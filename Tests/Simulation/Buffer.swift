import COpenMPI

/// True if only times are measured. All buffers of all ranks are then the same memory: the numbers
/// in them mean nothing, and thousands of ranks fit in one process.
public nonisolated(unsafe) var buffersShareMemory = false

private nonisolated(unsafe) var shared = UnsafeMutableRawBufferPointer(start: nil, count: 0)

private func sharedMemory(_ bytes: Int) -> UnsafeMutableRawPointer {
  if shared.count < bytes {
    shared = UnsafeMutableRawBufferPointer(start: sim_allocate_shared(bytes), count: bytes)
  }
  return shared.baseAddress!
}

/// Stands in for `Buffers.Buffer` on simulated ranks.
public final class Buffer<Element: BitwiseCopyable> {
  public let pointer: UnsafeMutablePointer<Element>
  public let count: Int
  private let isOwner: Bool

  public init(count: Int) {
    self.count = count
    isOwner = !buffersShareMemory
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let raw = isOwner ? calloc(1, bytes)! : sharedMemory(bytes)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
  }

  deinit { if isOwner { free(pointer) } }

  public var all: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  public subscript(range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside \(count) elements"
    )
    return UnsafeMutableBufferPointer(start: pointer + range.lowerBound, count: range.count)
  }
}
