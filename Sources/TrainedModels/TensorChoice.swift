import Formats
import Glibc
import Networks
import Pruning

/// Which tensors are pruned, by patterns of their names as `ParameterRule` has them.
public struct TensorChoice: Sendable, Equatable {
  /// Those; where there are none, all tensors of two dimensions or more.
  public var include: [String]
  /// But not those.
  public var exclude: [String]

  /// Shell patterns for tensors' names.
  public init(include: [String] = [], exclude: [String] = []) {
    self.include = include
    self.exclude = exclude
  }

  /// A network's tensors, those of them prunable that the patterns say.
  ///
  /// - Throws: `PruningError` naming a pattern that no tensor matches.
  package func tensors(of layout: ParameterLayout) throws(PruningError) -> [WeightTensor] {
    try check(layout.tensors.map(\.name))
    return layout.tensors.map { tensor in
      WeightTensor(
        name: tensor.name, shape: tensor.shape, range: tensor.range,
        isPrunable: isPrunable(tensor.name, shape: tensor.shape))
    }
  }

  /// The same of any model; a pattern may also match what is no weight.
  package func tensors(of model: any TrainedModel) throws(PruningError) -> [WeightTensor] {
    try check(model.tensors.map(\.name), others: model.others.map(\.name))
    return model.tensors.enumerated().map { index, tensor in
      WeightTensor(
        name: tensor.name, shape: tensor.shape, range: tensor.range,
        isPrunable: isPrunable(tensor.name, shape: tensor.shape),
        multiplyAdds: model.multiplyAddsPerWeight?[index] ?? 0)
    }
  }

  /// A tensor without elements has nothing that could go.
  package func isPrunable(_ name: String, shape: [Int]) -> Bool {
    let isIncluded = include.isEmpty ? shape.count > 1 : Self.matches(name, include)
    return isIncluded && !Self.matches(name, exclude) && !shape.contains(0)
  }

  private func check(_ names: [String], others: [String] = []) throws(PruningError) {
    for (key, patterns) in [("include", include), ("exclude", exclude)] {
      for pattern in patterns
      where !(names + others).contains(where: { Self.matches($0, [pattern]) }) {
        throw PruningError(
          "\(setting: key): '\(pattern)' matches no tensor of the network: expected a pattern for "
            + "some of \(names.joined(separator: ", "))")
      }
    }
  }

  private static func matches(_ name: String, _ patterns: [String]) -> Bool {
    patterns.contains { matchesPattern(name, $0) }
  }
}

/// Whether a whole name is of a shell's pattern: `*` is any text, points included, `?` any
/// character, `[a-c]` one of these.
package func matchesPattern(_ name: String, _ pattern: String) -> Bool {
  fnmatch(pattern, name, 0) == 0
}
