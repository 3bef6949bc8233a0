import Formats
import ProgramOptions
import Pruning
import Testing

/// One error, as a program and as others show it.
@Suite struct DiagnosticTests {
  private let error = InputError(
    setting: "batch-size", "cannot be cut",
    expected: "a multiple of "
      + "\(setting: "micro-batches"), \(8), or \(setting: "optimizer", "sgd")", got: "12")
  private let keys =
    "batch-size: cannot be cut: expected a multiple of micro-batches, 8, or optimizer: sgd, got 12"
  private let flags =
    "--batch-size: cannot be cut: expected a multiple of --micro-batches, 8, or --optimizer sgd, "
    + "got 12"

  @Test func settingsAreKeysInTheLibraryAndFlagsInPrograms() {
    #expect("\(error)" == keys)
    #expect(withFlags("\(error)") == flags)
  }

  /// The settings stay what they are in errors that quote others, and on the way to other ranks.
  @Test func settingsStayApartFromText() {
    let quoting = PruningError("rank 1: \(error) (\(error.subject))")
    let received = Diagnostic(encoded: quoting.diagnostic.encoded)
    #expect(received == quoting.diagnostic)
    #expect("\(received)" == "rank 1: \(keys) (batch-size)")
    #expect(withFlags(received) == "rank 1: \(flags) (--batch-size)")
  }

  /// A name that looks like the form in which settings are kept is a name.
  @Test func textsOfUsersAreNoSettings() {
    let name = "a\u{1F}key\u{1F}value\u{1F}b --c"
    #expect(withFlags("\(InputError(name, "\(name)"))") == "akeyvalueb --c: akeyvalueb --c")
    #expect(withFlags("\(setting: name, name).") == "--akeyvalueb --c akeyvalueb --c.")
  }
}
