import Formats
import Glibc
import Networks
import Pruning

/// Selects the tensors to prune by patterns of their names, in the syntax of `ParameterRule`.
public struct TensorChoice: Sendable, Equatable {
  /// Patterns of the tensors to prune; if empty, all tensors with two or more dimensions.
  public var include: [String]
  /// Patterns of tensors that are not pruned, even if they are included.
  public var exclude: [String]

  /// Creates a choice from shell patterns of tensor names.
  public init(include: [String] = [], exclude: [String] = []) {
    self.include = include
    self.exclude = exclude
  }

  /// Returns a network's tensors; those that the patterns select are prunable.
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

  /// Returns the tensors of any model in the same way; a pattern may also match a tensor that holds
  /// no weights.
  package func tensors(of model: any TrainedModel) throws(PruningError) -> [WeightTensor] {
    try check(model.tensors.map(\.name), others: model.others.map(\.name))
    return model.tensors.enumerated().map { index, tensor in
      WeightTensor(
        name: tensor.name, shape: tensor.shape, range: tensor.range,
        isPrunable: isPrunable(tensor.name, shape: tensor.shape),
        multiplyAdds: model.multiplyAddsPerWeight?[index] ?? 0)
    }
  }

  /// Returns true if the patterns select a tensor. A tensor without elements is never prunable.
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

/// Returns true if a whole name matches a shell pattern: `*` is any text, points included; `?` is
/// any character; `[a-c]` is one of these.
package func matchesPattern(_ name: String, _ pattern: String) -> Bool {
  fnmatch(pattern, name, 0) == 0
}
