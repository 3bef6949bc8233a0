/// A text for people that keeps the settings it names apart from its words: a program shows them as
/// flags, a configuration file as keys.
///
/// `"a multiple of \(setting: "micro-batches"), \(parts)"`
public struct Diagnostic: Equatable, Sendable {
  /// How a setting is shown, by itself or with a value.
  public typealias Style = @Sendable (_ key: String, _ value: String?) -> String

  /// `micro-batches`, or `micro-batches: 8`.
  public static let keys: Style = { key, value in value.map { "\(key): \($0)" } ?? key }

  /// A setting is its key and its value, or nothing, between three separators.
  package private(set) var encoded: String

  /// - Parameter encoded: as another rank has sent it.
  package init(encoded: String) { self.encoded = encoded }

  /// The text with its settings in a style.
  public func text(_ style: Style) -> String {
    encoded.replacing(/\x1F([^\x1F]*)\x1F([^\x1F]*)\x1F/) {
      style(String($0.1), $0.2.isEmpty ? nil : String($0.2))
    }
  }

  /// One text after the other.
  public static func + (first: Diagnostic, second: Diagnostic) -> Diagnostic { "\(first)\(second)" }
}

extension Diagnostic: CustomStringConvertible {
  /// The text with the bare keys.
  public var description: String { text(Self.keys) }
}

extension Diagnostic: ExpressibleByStringInterpolation, StringInterpolationProtocol {
  public init(literalCapacity: Int, interpolationCount: Int) { encoded = "" }
  public init(stringInterpolation: Diagnostic) { self = stringInterpolation }
  public init(stringLiteral text: String) { encoded = text }

  public mutating func appendLiteral(_ text: String) { encoded += text }

  /// - Parameter key: as in a configuration file.
  public mutating func appendInterpolation(setting key: String, _ value: Any = "") {
    encoded += "\u{1F}\(plain(key))\u{1F}\(plain(value))\u{1F}"
  }

  /// A diagnostic, and an error that has one, keep their settings.
  public mutating func appendInterpolation(_ value: Any) {
    let diagnostic = value as? Diagnostic ?? (value as? any DiagnosticError)?.diagnostic
    encoded += diagnostic?.encoded ?? plain(value)
  }

  private func plain(_ value: Any) -> String { "\(value)".replacing("\u{1F}", with: "") }
}

/// An error whose message names settings by their keys.
public protocol DiagnosticError: Error, CustomStringConvertible {
  /// The message.
  var diagnostic: Diagnostic { get }
}

extension DiagnosticError {
  public var description: String { diagnostic.description }
}
