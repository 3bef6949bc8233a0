import Diagnostics
import Glibc

/// Zeroed memory that lies in a file without a name, for more than there is memory: the system
/// writes to the file what has not been used for long, and reads it again. The file is gone with
/// the process.
public final class PagedBuffer<Element: BitwiseCopyable> {
  /// The first element; the memory is the buffer's.
  public let pointer: UnsafeMutablePointer<Element>
  /// How many elements there are.
  public let count: Int
  private let bytes: Int

  /// - Parameter directory: where the file is made; all of it is allocated on its disk.
  public init(count: Int, in directory: String) throws(PageFileError) {
    func fail(_ reason: String) -> PageFileError {
      PageFileError(directory: directory, reason: reason)
    }
    bytes = max(count, 1) * MemoryLayout<Element>.stride
    self.count = count
    var name = Array("\(directory)/swift-mfac-pages-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    guard file >= 0 else { throw fail(String(cString: strerror(errno))) }
    defer { close(file) }
    unlink(name)
    var space = statvfs()
    guard fstatvfs(file, &space) == 0 else { throw fail(String(cString: strerror(errno))) }
    let (free, overflow) = Int(space.f_bavail).multipliedReportingOverflow(by: Int(space.f_frsize))
    // To allocate what is not there would take all that others have left until it fails.
    guard overflow || bytes <= free else {
      throw fail("expected \(bytes) bytes free for the gradients, got \(free)")
    }
    // A page without room on the disk would end the process when it is first written to.
    let status = posix_fallocate(file, 0, bytes)
    guard status == 0 else {
      throw fail("\(bytes) bytes for the gradients: \(String(cString: strerror(status)))")
    }
    let map = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let map, map != MAP_FAILED else { throw fail(String(cString: strerror(errno))) }
    pointer = map.bindMemory(to: Element.self, capacity: count)
  }

  deinit { munmap(pointer, bytes) }

  /// Has the pages of some elements read, ahead of their use.
  public func prefetch(_ range: Range<Int>) { advise(range, MADV_WILLNEED) }

  /// Brings the pages of some elements into this process's memory, all at once.
  public func populate(_ range: Range<Int>) {
    // From Linux 5.14 on; before it, a page comes when it is first read.
    advise(range, MADV_POPULATE_READ)
  }

  /// Takes the pages of some elements out of this process's memory; what they hold stays.
  public func release(_ range: Range<Int>) { advise(range, MADV_DONTNEED) }

  private func advise(_ range: Range<Int>, _ advice: Int32) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside \(count) elements"
    )
    let (page, stride) = (Int(getpagesize()), MemoryLayout<Element>.stride)
    let start = range.lowerBound * stride / page * page
    let end = range.upperBound * stride
    // Advice that is not taken costs time alone.
    if end > start { madvise(UnsafeMutableRawPointer(pointer) + start, end - start, advice) }
  }
}

/// A directory that cannot hold a file of pages.
public struct PageFileError: DiagnosticError {
  let directory: String
  let reason: String

  public var diagnostic: Diagnostic { "\(setting: "page-directory", directory): \(reason)" }
}
