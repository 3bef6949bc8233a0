import ArgumentParser

/// What is declared as an `@Option` or a `@Flag`: its flag without the dashes and, where it has one, its
/// value.
package typealias DeclaredOption = (name: String, value: String?, isFlag: Bool)

/// Every option of a group and of the groups in it, in the order of the help.
package func declaredOptions(in settings: Any) -> [DeclaredOption] {
  Mirror(reflecting: settings).children.flatMap { child -> [DeclaredOption] in
    if let setting = child.value as? any DeclaredSetting {
      return [(flagName(of: child.label), setting.text, setting.isFlag)]
    }
    return (child.value as? any SettingGroup).map { declaredOptions(in: $0.group) } ?? []
  }
}

/// `_learningRate` is declared by the property wrapper of `learningRate` and set by `--learning-rate`.
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
  /// The value, or `nil` where there is none.
  var text: String? {
    var value: Any = wrappedValue
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional {
      guard let wrapped = mirror.children.first?.value else { return nil }
      value = wrapped
    }
    return ((value as? any RawRepresentable)?.rawValue as? String) ?? "\(value)"
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
