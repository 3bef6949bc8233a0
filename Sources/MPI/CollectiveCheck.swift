/// Reports that ranks have reached different collective operations, or the same one with different
/// sizes. The exchanges they have begun can never complete.
package struct CollectiveMismatch: SharedError, CustomStringConvertible {
  package let description: String
}

extension Communicator {
  /// Marks the start of a collective operation on this rank. If checks are enabled, all ranks
  /// exchange the operation's name and size, and throw together if these differ.
  ///
  /// - Parameter size: a size that must be the same on all ranks, if the operation has one.
  func begin(_ operation: StaticString, size count: Int? = nil) throws {
    status.operation = operation
    guard checksCollectives, size > 1 else { return }
    operations += 1
    let header =
      "operation \(operations): \(operation)" + (count.map { " of size \($0)" } ?? "")
    let (length, separator) = (256, UInt8(ascii: "\n"))
    var local = Array("\(header)\n\(status.moment ?? "")".utf8.prefix(length - 1))
    local += [UInt8](repeating: separator, count: length - local.count)
    let all = try gather(local, counts: [Int](repeating: length, count: size))
    let lines = (0..<size).map {
      all[$0 * length..<($0 + 1) * length].split(separator: separator).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
    guard lines.contains(where: { $0[0] != lines[0][0] }) else { return }
    let texts = lines.enumerated().map { ($0.offset, $0.element.joined(separator: " at ")) }
    throw CollectiveMismatch(
      description: "the ranks have reached different collective operations: "
        + name(Dictionary(uniqueKeysWithValues: texts)))
  }
}
