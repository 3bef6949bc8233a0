import Formats
import ProgramOptions
import Pruning
import Testing

/// Shows one error as programs show it, and as the library does.
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

  @Test("settings are keys in the library and flags in programs") func keysAndFlags() {
    #expect("\(error)" == keys)
    #expect(withFlags("\(error)") == flags)
  }

  /// Settings are preserved in errors that quote others, and in messages to other ranks.
  @Test("settings are preserved in quoted and sent errors") func quotedSettings() {
    let quoting = PruningError("rank 1: \(error) (\(error.subject))")
    let received = Diagnostic(encoded: quoting.diagnostic.encoded)
    #expect(received == quoting.diagnostic)
    #expect("\(received)" == "rank 1: \(keys) (batch-size)")
    #expect(withFlags(received) == "rank 1: \(flags) (--batch-size)")
  }

  /// A user's name that looks like an encoded setting remains a name.
  @Test("a user's text is not taken for a setting") func userText() {
    let name = "a\u{1F}key\u{1F}value\u{1F}b --c"
    #expect(withFlags("\(InputError(name, "\(name)"))") == "akeyvalueb --c: akeyvalueb --c")
    #expect(withFlags("\(setting: name, name).") == "--akeyvalueb --c akeyvalueb --c.")
  }
}
