/// What cannot be pruned as asked: one line naming the setting or the tensor, and what was expected.
public struct PruningError: Error, CustomStringConvertible {
  public let description: String

  /// - Parameter description: what is wrong, what was expected, and what was got.
  public init(_ description: String) { self.description = description }
}
