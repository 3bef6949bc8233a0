import MPI

/// What cannot be pruned as asked: one line naming the setting or the tensor, and what was expected. All
/// ranks see it together, or agree on it.
public struct PruningError: SharedError, CustomStringConvertible {
  public let description: String

  /// - Parameter description: what is wrong, what was expected, and what was got.
  public init(_ description: String) { self.description = description }
}
