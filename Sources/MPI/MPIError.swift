import COpenMPI
@_exported import Diagnostics

/// Reports a failed call into the MPI library.
public struct MPIError: Error, CustomStringConvertible {
  /// The function of the MPI library, such as `MPI_Isend`.
  public let call: String
  /// The library's text for its error code.
  public let reason: String

  public var description: String { "\(call) failed: \(reason)" }

  static func check(_ call: StaticString, _ code: Int32) throws {
    guard code != mfac_success() else { return }
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    let reason = String(
      decoding: text.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    throw MPIError(call: "\(call)", reason: reason)
  }

  /// Converts a count to the 32 bits that MPI uses.
  static func count(_ elements: Int, in call: StaticString) throws -> Int32 {
    guard let count = Int32(exactly: elements) else {
      throw MPIError(
        call: "\(call)", reason: "\(elements) elements in one message, at most \(Int32.max)")
    }
    return count
  }
}

/// Marks an error that every rank throws together, at the same place and for the same reason. One
/// rank reports it for all, and the others may exit in order.
package protocol SharedError: Error {}

/// Reports on every rank what one of them has met: an error thrown in `Communicator.agree`, or a
/// difference from the other ranks.
package struct AgreedError: SharedError, DiagnosticError {
  /// The lowest rank that failed or differs.
  package let rank: Int
  package let diagnostic: Diagnostic
}
