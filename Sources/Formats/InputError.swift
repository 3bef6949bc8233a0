@_exported import Diagnostics
import Foundation

/// Reports a problem with data that is read, written or requested. One line names the file or
/// setting, the problem and, if useful, what was expected and what was found.
public struct InputError: DiagnosticError, Equatable, Sendable {
  /// The file, directory or setting at fault.
  public let subject: Diagnostic
  public let problem: Diagnostic
  /// The expected content, if it can be named.
  public let expected: Diagnostic?
  /// The content that was found.
  public let got: Diagnostic?

  /// Creates an error about a file.
  ///
  /// - Parameters:
  ///   - subject: the file or directory at fault.
  ///   - problem: the problem in words.
  public init(
    _ subject: String, _ problem: Diagnostic, expected: Diagnostic? = nil, got: Diagnostic? = nil
  ) {
    (self.subject, self.problem, self.expected, self.got) = ("\(subject)", problem, expected, got)
  }

  /// Creates an error about a setting.
  ///
  /// - Parameter key: the setting's key.
  public init(
    setting key: String, _ problem: Diagnostic, expected: Diagnostic? = nil, got: Diagnostic? = nil
  ) {
    (subject, self.problem, self.expected, self.got) = ("\(setting: key)", problem, expected, got)
  }

  /// Lists the first few of many names, for a message.
  package static func list(_ names: [String]) -> Diagnostic {
    "\(names.prefix(6).joined(separator: ", "))"
      + (names.count > 6 ? ", … (\(names.count) in all)" : "")
  }

  public var diagnostic: Diagnostic {
    var line: Diagnostic = "\(subject): \(problem)"
    if let expected { line = "\(line): expected \(expected)" }
    if let got { line = "\(line)\(expected == nil ? ":" : ",") got \(got)" }
    return line
  }
}

extension InputError {
  /// Returns Foundation's error as an `InputError`, in the system's words.
  package static func foundation(
    _ path: String, _ problem: String, _ error: any Error
  ) -> InputError {
    guard let reason = (error as? CocoaError)?.underlying as? POSIXError else {
      return InputError(path, "\(problem): \(error)")
    }
    return .system(path, problem, reason.code.rawValue)
  }
}
