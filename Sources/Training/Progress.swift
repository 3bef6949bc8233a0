import Formats
import Glibc
import MPI

/// Prints a run's progress on rank 0's standard output: a bar that redraws itself on a terminal,
/// plain lines elsewhere.
public struct Progress: Sendable {
  /// Selects a bar or lines; `automatic` shows a bar on a terminal and lines elsewhere.
  public enum Style: String, CaseIterable, Sendable {
    case automatic, bar, lines, none
  }

  private let style: Style
  private let isFirst: Bool
  private let settingStyle: Diagnostic.Style
  private let totalSteps: Int
  /// Steps that earlier processes of the run have taken.
  var firstStep = 0
  private let samplesPerStep: Int
  private let start = ContinuousClock.now
  private let lineEvery: Int
  private var drawn = ContinuousClock.now - .seconds(1)
  private var barShown = false

  /// Creates the display. Only rank 0 prints; it shows settings in the style of `world`.
  init(
    _ style: Style, on world: Communicator, totalSteps: Int, samplesPerStep: Int, stepsPerEpoch: Int
  ) {
    let shown: Style = style == .automatic ? (Self.outputIsTerminal ? .bar : .lines) : style
    isFirst = world.rank == 0
    self.style = isFirst ? shown : .none
    settingStyle = world.settingStyle
    self.totalSteps = totalSteps
    self.samplesPerStep = samplesPerStep
    lineEvery = max(1, stepsPerEpoch / 4, totalSteps / 40)
  }

  /// True if the output goes to a terminal. A launcher gives its ranks a pseudo-terminal, whatever
  /// its own output is, so the launcher's output decides.
  private static var outputIsTerminal: Bool {
    guard getenv("OMPI_COMM_WORLD_SIZE") != nil else { return isatty(1) == 1 }
    let launcher = open("/proc/\(getppid())/fd/1", O_WRONLY | O_NOCTTY | O_NONBLOCK)
    guard launcher >= 0 else { return false }
    defer { close(launcher) }
    return isatty(launcher) == 1
  }

  /// Seconds since this process began the run.
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Shows a step that has been taken, counted from 1.
  mutating func step(_ step: Int, epoch: Int, loss: Double, accuracy: Double?) {
    let rate = Double(step - firstStep) / seconds
    let samples = "\(formatNumber(rate * Double(samplesPerStep), digits: 0)) samples/s"
    let text =
      "loss \(formatNumber(loss, digits: 4))"
      + (accuracy.map { "  test \(formatNumber(100 * $0, digits: 2)) %" } ?? "") + "  \(samples)"
    switch style {
    case .bar:
      let now = ContinuousClock.now
      guard now - drawn > .milliseconds(100) || step == totalSteps else { return }
      drawn = now
      let width = 24
      let done = width * step / totalSteps
      let bar = String(repeating: "█", count: done) + String(repeating: "░", count: width - done)
      let left = Self.clock(Double(totalSteps - step) / rate)
      print(
        "\r\u{1B}[K\(bar) \(step)/\(totalSteps)  epoch \(epoch)  \(text)  \(left) left",
        terminator: "")
      barShown = true
    case .lines:
      guard step % lineEvery == 0 || step == totalSteps else { return }
      print("step \(step)/\(totalSteps)  epoch \(epoch)  \(text)")
    case .none, .automatic: return
    }
    fflush(nil)
  }

  /// Prints a line above the bar.
  mutating func say(_ line: Diagnostic) {
    guard style != .none else { return }
    if barShown { print("\r\u{1B}[K", terminator: "") }
    barShown = false
    print(line.text(settingStyle))
    fflush(nil)
  }

  /// Prints a warning on rank 0's standard error, in every style.
  mutating func warn(_ line: Diagnostic) {
    guard isFirst else { return }
    if barShown { print("\r\u{1B}[K", terminator: "") }
    barShown = false
    reportError(line.text(settingStyle), as: "warning")
  }

  private static func clock(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e9).rounded())
    return "\(whole / 60):\(whole % 60 < 10 ? "0" : "")\(whole % 60)"
  }
}
