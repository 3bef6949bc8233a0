import ArgumentParser

extension ArgumentHelp {
  /// Help of a setting that `--help-hidden` and the manual page show, and `--help` does not.
  package static func advanced(_ abstract: String, valueName: String? = nil) -> ArgumentHelp {
    ArgumentHelp(abstract, valueName: valueName, visibility: .hidden)
  }
}

/// What is declared as an `@Option` or a `@Flag`: its flag without the dashes and, where it has
/// one, its value; the values of a list; whether the value is a text that means itself.
package typealias DeclaredOption = (
  name: String, value: [String]?, isFlag: Bool, isList: Bool, isText: Bool
)

/// Every option of a group and of the groups in it, in the order of the help.
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

/// `_learningRate` is declared by the property wrapper of `learningRate` and set by
/// `--learning-rate`.
private func flagName(of label: String?) -> String {
  (label ?? "").drop { $0 == "_" }.reduce(into: "") { name, letter in
    name += letter.isUppercase ? "-\(letter.lowercased())" : String(letter)
  }
}

/// An `@Option` or a `@Flag`, whatever the type of its value.
private protocol DeclaredSetting {
  associatedtype Value
  var wrappedValue: Value { get }
  var isFlag: Bool { get }
}

extension DeclaredSetting {
  var isList: Bool { wrappedValue is [String] }
  var isText: Bool { Value.self == String.self || Value.self == String?.self }

  /// The value, or those of a list; `nil` where there is none.
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
