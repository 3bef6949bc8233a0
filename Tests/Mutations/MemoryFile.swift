import Foundation

/// A file in memory that takes many contents in turn; a disk takes milliseconds for each.
public final class MemoryFile {
  private let descriptor: Int32
  public var path: String { "/proc/self/fd/\(descriptor)" }

  public init() {
    let name = "/mutations-\(getpid())-\(UUID().uuidString)"
    descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    precondition(descriptor >= 0, "no file in memory: \(String(cString: strerror(errno)))")
    shm_unlink(name)
  }

  deinit { close(descriptor) }

  public func hold(_ bytes: [UInt8]) {
    let isWritten =
      pwrite(descriptor, bytes, bytes.count, 0) == bytes.count
      && ftruncate(descriptor, bytes.count) == 0
    precondition(isWritten, "\(bytes.count) bytes in memory: \(String(cString: strerror(errno)))")
  }
}
