import Networks
import Pruning

/// Which tensors are pruned, by patterns of their names as `ParameterRule` has them.
public struct TensorChoice: Sendable, Equatable {
  /// Those; where there are none, all tensors of two dimensions or more.
  public var include: [String]
  /// But not those.
  public var exclude: [String]

  public init(include: [String] = [], exclude: [String] = []) {
    self.include = include
    self.exclude = exclude
  }

  /// The network's tensors, those of them prunable that the patterns say.
  ///
  /// - Throws: `PruningError` naming a pattern that no tensor matches.
  package func tensors(of layout: ParameterLayout) throws(PruningError) -> [WeightTensor] {
    for (flag, patterns) in [("--include", include), ("--exclude", exclude)] {
      for pattern in patterns
      where !layout.tensors.contains(where: { Self.matches($0.name, [pattern]) }) {
        throw PruningError(
          "\(flag): '\(pattern)' matches no tensor of the network: expected a pattern for some of "
            + layout.tensors.map(\.name).joined(separator: ", "))
      }
    }
    return layout.tensors.map { tensor in
      let isIncluded =
        include.isEmpty ? tensor.shape.count > 1 : Self.matches(tensor.name, include)
      return WeightTensor(
        name: tensor.name, shape: tensor.shape, range: tensor.range,
        isPrunable: isIncluded && !Self.matches(tensor.name, exclude))
    }
  }

  private static func matches(_ name: String, _ patterns: [String]) -> Bool {
    patterns.contains { ParameterRule(match: $0).matches(name) }
  }
}
