import ArgumentParser
import Networks
import Training
import Yams

extension Configuration {
  static let groups = "groups"

  /// Returns the rules that a file lists under `groups`:
  ///
  /// ```yaml
  /// groups:
  ///   - {match: "*.bias", learning-rate: 0.1, weight-decay: 0, mfac: false}
  /// ```
  ///
  /// - Throws: `ValidationError` naming the file and the line.
  static func rules(in node: Node, of path: String) throws -> [ParameterRule] {
    if node.null != nil { return [] }
    guard case .sequence(let entries) = node else {
      throw problem(node, path, "groups: expected a list, such as [{match: '*.bias', mfac: false}]")
    }
    return try entries.map { entry in
      guard case .mapping(let pairs) = entry else {
        throw problem(entry, path, "groups: expected {match: PATTERN, …}")
      }
      var rule = ParameterRule(match: "")
      for (key, value) in pairs {
        // A null value counts as absent.
        guard value.null == nil else { continue }
        let text = value.string ?? ""
        func read<Value>(_ expected: String, _ value: Value?) throws -> Value {
          if let value { return value }
          throw problem(key, path, "groups: \(key.string!): expected \(expected), got '\(text)'")
        }
        switch key.string {
        case "match": rule.match = try read("a pattern of tensor names", text.isEmpty ? nil : text)
        case "learning-rate":
          rule.learningRate = try read(
            "a number ≥ 0 and finite in single precision",
            Double(text).flatMap { $0 >= 0 && Float($0).isFinite ? $0 : nil })
        case "weight-decay":
          rule.weightDecay = try read(
            "a number ≥ 0", Double(text).flatMap { $0 >= 0 && Float($0).isFinite ? $0 : nil })
        case "mfac": rule.usesMFAC = try read("true or false", Bool(yaml: text))
        default:
          throw problem(
            key, path,
            "groups: unknown key '\(key.string ?? "")', expected one of match, learning-rate, "
              + "weight-decay, mfac")
        }
      }
      guard !rule.match.isEmpty else {
        throw problem(entry, path, "groups: expected match: PATTERN in each entry")
      }
      return rule
    }
  }

  private static func problem(_ node: Node, _ path: String, _ text: String) -> ValidationError {
    ValidationError("\(path)\(node.mark.map { ":\($0.line)" } ?? ""): \(text)")
  }

  /// Returns the YAML entry of a rule.
  static func node(of rule: ParameterRule) -> Node {
    var pairs = [(Node("match"), Node(rule.match, .implicit, .doubleQuoted))]
    if let rate = rule.learningRate { pairs.append((Node("learning-rate"), Node("\(rate)"))) }
    if let rate = rule.weightDecay { pairs.append((Node("weight-decay"), Node("\(rate)"))) }
    if !rule.usesMFAC { pairs.append((Node("mfac"), Node("false"))) }
    return Node(pairs, .implicit, .flow)
  }
}
