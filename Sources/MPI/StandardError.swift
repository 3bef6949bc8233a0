import Glibc

/// Says why the program ends, in one line.
package func complain(_ message: String) {
  fflush(nil)
  var line = "Error: \(message)\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
