import Foundation

/// What is wrong with data that was read, written or asked for: one line naming the file or
/// setting, the problem and, where they say more, what was expected and what was found.
public struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file, directory or setting at fault.
  public let subject: String
  /// What is wrong with it.
  public let problem: String
  /// What should have been there, where that can be said.
  public let expected: String?
  /// What was there instead.
  public let got: String?

  /// - Parameters:
  ///   - subject: the file, directory or setting at fault.
  ///   - problem: what is wrong with it.
  public init(_ subject: String, _ problem: String, expected: String? = nil, got: String? = nil) {
    self.subject = subject
    self.problem = problem
    self.expected = expected
    self.got = got
  }

  /// The first few of many names, for a message.
  package static func list(_ names: [String]) -> String {
    names.prefix(6).joined(separator: ", ")
      + (names.count > 6 ? ", … (\(names.count) in all)" : "")
  }

  public var description: String {
    var comparison: [String] = []
    if let expected { comparison.append("expected \(expected)") }
    if let got { comparison.append("got \(got)") }
    let line = "\(subject): \(problem)"
    return comparison.isEmpty ? line : line + ": " + comparison.joined(separator: ", ")
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
