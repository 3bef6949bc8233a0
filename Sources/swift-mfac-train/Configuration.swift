import ArgumentParser
import Foundation
import Yams

/// Settings as text: the keys that a YAML file may have, and the file that a run leaves.
///
/// Both are read off the declared options, so that a flag and its key cannot drift apart.
enum Configuration {
  /// The flags that a YAML file stands for: `window: 64` is `--window=64`.
  ///
  /// - Throws: `ValidationError` naming the file and, where there is one, the key and its line.
  static func arguments(of path: String) throws -> [(key: String, argument: String)] {
    let root: Node?
    do {
      root = try Yams.compose(yaml: try String(contentsOfFile: path, encoding: .utf8))
    } catch let error as YamlError {
      throw ValidationError("\(path): not YAML: \(error)")
    } catch {
      throw ValidationError("\(path): cannot be read: \(error.localizedDescription)")
    }
    guard let root else { return [] }
    guard case .mapping(let mapping) = root else {
      throw ValidationError("\(path): expected a mapping of settings, such as 'window: 256'")
    }
    let known = names(in: Settings())
    return try mapping.map { key, value in
      let line = key.mark.map { ":\($0.line)" } ?? ""
      guard let name = key.string, known.contains(name) else {
        throw ValidationError(
          "\(path)\(line): unknown key '\(key.string ?? "")', expected one of "
            + known.sorted().joined(separator: ", "))
      }
      guard case .scalar(let scalar) = value else {
        throw ValidationError("\(path)\(line): '\(name)' expects one value")
      }
      return (name, "--\(name)=\(scalar.string)")
    }
  }

  /// The settings in YAML, in the order of the help; those without a value are left out.
  static func text(of settings: Settings) throws -> String {
    let pairs = values(in: settings).map { (Node($0.name), Node($0.value)) }
    return try Yams.serialize(node: Node.mapping(Node.Mapping(pairs)))
  }

  private static func names(in settings: Any) -> [String] {
    Mirror(reflecting: settings).children.flatMap { child in
      child.value is any DeclaredSetting
        ? [name(of: child.label)] : names(in: (child.value as? any SettingGroup)?.group as Any)
    }
  }

  private static func values(in settings: Any) -> [(name: String, value: String)] {
    Mirror(reflecting: settings).children.flatMap { child -> [(String, String)] in
      if let setting = child.value as? any DeclaredSetting {
        return setting.text.map { [(name(of: child.label), $0)] } ?? []
      }
      return (child.value as? any SettingGroup).map { values(in: $0.group) } ?? []
    }
  }

  /// `_learningRate` is declared by the property wrapper of `learningRate` and set by
  /// `--learning-rate`.
  private static func name(of label: String?) -> String {
    (label ?? "").drop { $0 == "_" }.reduce(into: "") { name, letter in
      name += letter.isUppercase ? "-\(letter.lowercased())" : String(letter)
    }
  }
}

/// An `@Option`, whatever the type of its value.
private protocol DeclaredSetting {
  /// The value, or `nil` where there is none.
  var text: String? { get }
}

extension Option: DeclaredSetting {
  var text: String? {
    let value: Any = wrappedValue
    let mirror = Mirror(reflecting: value)
    guard mirror.displayStyle == .optional else { return "\(value)" }
    return mirror.children.first.map { "\($0.value)" }
  }
}

/// An `@OptionGroup`.
private protocol SettingGroup {
  var group: Any { get }
}

extension OptionGroup: SettingGroup {
  var group: Any { wrappedValue }
}
