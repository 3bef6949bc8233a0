import Glibc

/// Says on standard error, in one line, why the program ends, or what else must be known of it.
package func reportError(_ message: String, as kind: String = "Error") {
  fflush(nil)
  var line = "\(kind): \(message)\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
