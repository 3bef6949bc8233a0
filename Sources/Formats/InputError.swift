@_exported import Diagnostics
import Foundation

/// What is wrong with data that was read, written or asked for: one line naming the file or
/// setting, the problem and, where they say more, what was expected and what was found.
public struct InputError: DiagnosticError, Equatable, Sendable {
  /// The file, directory or setting at fault.
  public let subject: Diagnostic
  /// What is wrong with it.
  public let problem: Diagnostic
  /// What should have been there, where that can be said.
  public let expected: Diagnostic?
  /// What was there instead.
  public let got: Diagnostic?

  /// - Parameters:
  ///   - subject: the file or directory at fault.
  ///   - problem: what is wrong with it.
  public init(
    _ subject: String, _ problem: Diagnostic, expected: Diagnostic? = nil, got: Diagnostic? = nil
  ) {
    (self.subject, self.problem, self.expected, self.got) = ("\(subject)", problem, expected, got)
  }

  /// - Parameter key: of the setting at fault.
  public init(
    setting key: String, _ problem: Diagnostic, expected: Diagnostic? = nil, got: Diagnostic? = nil
  ) {
    (subject, self.problem, self.expected, self.got) = ("\(setting: key)", problem, expected, got)
  }

  /// The first few of many names, for a message.
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
  /// A failure that Foundation tells, in the system's words.
  package static func foundation(
    _ path: String, _ problem: String, _ error: any Error
  ) -> InputError {
    guard let reason = (error as? CocoaError)?.underlying as? POSIXError else {
      return InputError(path, "\(problem): \(error)")
    }
    return .system(path, problem, reason.code.rawValue)
  }
}
