import Diagnostics
import Glibc

/// Zeroed memory backed by an unnamed file, for arrays larger than the memory. The system writes
/// pages to the file that were not used recently, and reads them back. The file disappears with the
/// process.
package final class PagedBuffer<Element: BitwiseCopyable> {
  /// The first element of memory that the buffer owns.
  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int
  private let bytes: Int

  /// Creates the file in `directory`, and allocates all of it on the disk.
  ///
  /// - Throws: `PageFileError` if the directory cannot hold the file.
  package init(count: Int, in directory: String) throws(PageFileError) {
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
    // Allocating more than is free would take space from other programs until it fails.
    guard overflow || bytes <= free else {
      throw fail("expected \(bytes) bytes free for the gradients, got \(free)")
    }
    // Without space on the disk, the first write to a page would end the process.
    let status = posix_fallocate(file, 0, bytes)
    guard status == 0 else {
      throw fail("\(bytes) bytes for the gradients: \(String(cString: strerror(status)))")
    }
    let map = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let map, map != MAP_FAILED else { throw fail(String(cString: strerror(errno))) }
    pointer = map.bindMemory(to: Element.self, capacity: count)
  }

  deinit { munmap(pointer, bytes) }

  /// Starts reading the pages of some elements ahead of their use.
  package func prefetch(_ range: Range<Int>) { advise(range, MADV_WILLNEED) }

  /// Reads the pages of some elements into memory, all at once.
  package func populate(_ range: Range<Int>) {
    // Available from Linux 5.14; earlier kernels read a page on first use.
    advise(range, MADV_POPULATE_READ)
  }

  /// Removes the pages of some elements from memory; their contents stay in the file.
  package func release(_ range: Range<Int>) { advise(range, MADV_DONTNEED) }

  private func advise(_ range: Range<Int>, _ advice: Int32) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside \(count) elements"
    )
    let (page, stride) = (Int(getpagesize()), MemoryLayout<Element>.stride)
    let start = range.lowerBound * stride / page * page
    let end = range.upperBound * stride
    // Failed advice costs only time.
    if end > start { madvise(UnsafeMutableRawPointer(pointer) + start, end - start, advice) }
  }
}

/// Reports a directory that cannot hold a file of pages.
public struct PageFileError: DiagnosticError {
  let directory: String
  let reason: String

  public var diagnostic: Diagnostic { "\(setting: "page-directory", directory): \(reason)" }
}
