import Formats
import Networks
import Optimizers
import TrainedModels

/// A rule that overrides settings for the tensors whose names match a pattern.
public struct ParameterRule: Sendable, Equatable {
  /// A shell pattern for the tensors' whole names: `*` is any text, points included; `?` is any
  /// character; `[a-c]` is one of these.
  public var match: String
  /// Base learning rate, in place of the schedule's; the schedule's shape is the same.
  public var learningRate: Double?
  /// Rate of weight decay, in place of the optimizer's.
  public var weightDecay: Double?
  /// True if M-FAC preconditions the tensors; otherwise they take heavy-ball steps.
  public var usesMFAC: Bool

  /// Creates a rule.
  ///
  /// - Parameters:
  ///   - match: a shell pattern for tensors' names.
  ///   - learningRate: the base rate, in place of the run's.
  ///   - weightDecay: the rate of weight decay, in place of the optimizer's.
  public init(
    match: String, learningRate: Double? = nil, weightDecay: Double? = nil, usesMFAC: Bool = true
  ) {
    self.match = match
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.usesMFAC = usesMFAC
  }

  package func matches(_ name: String) -> Bool { matchesPattern(name, match) }
}

extension ParameterRule: CustomStringConvertible {
  public var description: String {
    let changes = [
      learningRate.map { "learning rate \($0)" }, weightDecay.map { "weight decay \($0)" },
      usesMFAC ? nil : "first-order",
    ].compactMap(\.self)
    return "\(match): \(changes.isEmpty ? "as the rest" : changes.joined(separator: ", "))"
  }
}

extension TrainingPlan {
  /// Returns the index of the first rule that matches each tensor of the network, or nil.
  ///
  /// - Throws: `InputError` naming a rule that no tensor follows.
  func ruleOfTensor() throws -> [Int?] {
    let names = network.layout.tensors.map(\.name)
    let followed = names.map { name in rules.firstIndex { $0.matches(name) } }
    for (index, rule) in rules.enumerated() where !followed.contains(index) {
      let isLate = names.contains(where: rule.matches)
      throw InputError(
        "groups",
        isLate
          ? "every tensor that '\(rule.match)' matches belongs to an earlier group"
          : "'\(rule.match)' matches no tensor of the network",
        expected: "a pattern for some of \(names.joined(separator: ", "))")
    }
    return followed
  }

  /// Returns the groups of the network's parameters, for the optimizer.
  ///
  /// - Parameter staysZero: true for each parameter that stays zero; shape [d].
  /// - Throws: `InputError` naming a rule that cannot be applied.
  func parameterGroups(staysZero: [Bool]?) throws -> ParameterGroups {
    let base = schedule.base
    let groups = try rules.map { rule in
      if rule.learningRate != nil, !(base > 0) {
        throw InputError(
          "groups",
          "the learning rate of '\(rule.match)' follows the schedule of "
            + "\(setting: "learning-rate")",
          expected: "\(setting: "learning-rate") > 0 (0 may be the rate of a group)",
          got: "\(base)")
      }
      return ParameterGroup(
        rateFactor: rule.learningRate.map { $0 / base } ?? 1, weightDecay: rule.weightDecay,
        usesMFAC: rule.usesMFAC)
    }
    let runs = try zip(network.layout.tensors, ruleOfTensor()).map { tensor, rule in
      ParameterGroups.Run(tensor.range, group: rule.map { $0 + 1 } ?? 0)
    }
    return ParameterGroups(
      [ParameterGroup()] + groups, runs: runs, staysZero: staysZero)
  }
}
