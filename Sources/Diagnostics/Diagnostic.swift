/// A message that keeps the settings it names separate from its words. A program shows settings as
/// flags, a configuration file as keys.
///
/// `"a multiple of \(setting: "micro-batches"), \(parts)"`
public struct Diagnostic: Equatable, Sendable {
  /// Formats a setting, alone or with a value.
  public typealias Style = @Sendable (_ key: String, _ value: String?) -> String

  /// Shows `micro-batches`, or `micro-batches: 8`.
  public static let keys: Style = { key, value in value.map { "\(key): \($0)" } ?? key }

  /// The text. A setting in it is its key and its value, possibly empty, delimited by three
  /// separators (U+001F).
  package private(set) var encoded: String

  /// Decodes a diagnostic.
  ///
  /// - Parameter encoded: the `encoded` text that another rank sent.
  package init(encoded: String) { self.encoded = encoded }

  /// Returns the text, with its settings formatted by `style`.
  public func text(_ style: Style) -> String {
    encoded.replacing(/\x1F([^\x1F]*)\x1F([^\x1F]*)\x1F/) {
      style(String($0.1), $0.2.isEmpty ? nil : String($0.2))
    }
  }

  /// Concatenates two diagnostics.
  public static func + (first: Diagnostic, second: Diagnostic) -> Diagnostic { "\(first)\(second)" }
}

extension Diagnostic: CustomStringConvertible {
  /// The text, with its settings as bare keys.
  public var description: String { text(Self.keys) }
}

extension Diagnostic: ExpressibleByStringInterpolation, StringInterpolationProtocol {
  public init(literalCapacity: Int, interpolationCount: Int) { encoded = "" }
  public init(stringInterpolation: Diagnostic) { self = stringInterpolation }
  public init(stringLiteral text: String) { encoded = text }

  public mutating func appendLiteral(_ text: String) { encoded += text }

  /// Appends a setting.
  ///
  /// - Parameter key: the key in a configuration file.
  public mutating func appendInterpolation(setting key: String, _ value: Any = "") {
    encoded += "\u{1F}\(plain(key))\u{1F}\(plain(value))\u{1F}"
  }

  /// Appends a value. A diagnostic, or an error that has one, keeps its settings.
  public mutating func appendInterpolation(_ value: Any) {
    let diagnostic = value as? Diagnostic ?? (value as? any DiagnosticError)?.diagnostic
    encoded += diagnostic?.encoded ?? plain(value)
  }

  private func plain(_ value: Any) -> String { "\(value)".replacing("\u{1F}", with: "") }
}

/// An error whose message names settings by their keys.
public protocol DiagnosticError: Error, CustomStringConvertible {
  /// The message, with its settings.
  var diagnostic: Diagnostic { get }
}

extension DiagnosticError {
  public var description: String { diagnostic.description }
}
