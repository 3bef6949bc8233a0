import ArgumentParser

extension ArgumentHelp {
  /// Returns the help of a setting that `--help-hidden` and the manual page show and `--help` does
  /// not.
  package static func advanced(_ abstract: String, valueName: String? = nil) -> ArgumentHelp {
    ArgumentHelp(abstract, valueName: valueName, visibility: .hidden)
  }
}

/// A declared `@Option` or `@Flag`: its name without dashes, and its value as text, one per element
/// of a list, nil if unset. `isText` is true if the value is a `String`, taken as typed.
package typealias DeclaredOption = (
  name: String, value: [String]?, isFlag: Bool, isList: Bool, isText: Bool
)

/// Returns every option of a group and of its subgroups, in the order of the help.
package func declaredOptions(in settings: Any) -> [DeclaredOption] {
  Mirror(reflecting: settings).children.flatMap { child -> [DeclaredOption] in
    if let setting = child.value as? any DeclaredSetting {
      return [
        (
          flagName(of: child.label), setting.texts, setting.isFlag, setting.isList, setting.isText
        )
      ]
    }
    return (child.value as? any SettingGroup).map { declaredOptions(in: $0.group) } ?? []
  }
}

/// Returns an option's name without dashes: `learning-rate` for `_learningRate`, the stored
/// property of the wrapper around `learningRate`.
private func flagName(of label: String?) -> String {
  (label ?? "").drop { $0 == "_" }.reduce(into: "") { name, letter in
    name += letter.isUppercase ? "-\(letter.lowercased())" : String(letter)
  }
}

/// An `@Option` or a `@Flag` with a value of any type.
private protocol DeclaredSetting {
  associatedtype Value
  var wrappedValue: Value { get }
  var isFlag: Bool { get }
}

extension DeclaredSetting {
  var isList: Bool { wrappedValue is [String] }
  var isText: Bool { Value.self == String.self || Value.self == String?.self }

  /// The value, or the values of a list; nil if unset.
  var texts: [String]? {
    if let list = wrappedValue as? [String] { return list.isEmpty ? nil : list }
    var value: Any = wrappedValue
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional {
      guard let wrapped = mirror.children.first?.value else { return nil }
      value = wrapped
    }
    return [((value as? any RawRepresentable)?.rawValue as? String) ?? "\(value)"]
  }
}

extension Option: DeclaredSetting { var isFlag: Bool { false } }
extension Flag: DeclaredSetting { var isFlag: Bool { true } }

/// An `@OptionGroup`.
private protocol SettingGroup {
  var group: Any { get }
}

extension OptionGroup: SettingGroup {
  var group: Any { wrappedValue }
}
