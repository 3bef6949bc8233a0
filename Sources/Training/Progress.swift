import Formats
import Glibc
import MPI

/// What rank 0 tells on standard output while a run goes on: a bar that redraws itself on a
/// terminal, plain lines elsewhere.
public struct Progress: Sendable {
  /// A bar or lines; `automatic` looks whether there is a terminal.
  public enum Style: String, CaseIterable, Sendable {
    case automatic, bar, lines, none
  }

  private let style: Style
  private let isFirst: Bool
  private let settingStyle: Diagnostic.Style
  private let totalSteps: Int
  /// Where this process takes over, from 0.
  var firstStep = 0
  private let samplesPerStep: Int
  private let start = ContinuousClock.now
  private let lineEvery: Int
  private var drawn = ContinuousClock.now - .seconds(1)
  private var barShown = false

  /// Rank 0 speaks, and shows settings as `world` does.
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

  /// A launcher gives its ranks a pseudo-terminal, whatever its own output is: it is the launcher's
  /// output that counts.
  private static var outputIsTerminal: Bool {
    guard getenv("OMPI_COMM_WORLD_SIZE") != nil else { return isatty(1) == 1 }
    let launcher = open("/proc/\(getppid())/fd/1", O_WRONLY | O_NOCTTY | O_NONBLOCK)
    guard launcher >= 0 else { return false }
    defer { close(launcher) }
    return isatty(launcher) == 1
  }

  /// Seconds since the run began.
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// After a step, counted from 1.
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

  /// A line of its own, above the bar.
  mutating func say(_ line: Diagnostic) {
    guard style != .none else { return }
    if barShown { print("\r\u{1B}[K", terminator: "") }
    barShown = false
    print(line.text(settingStyle))
    fflush(nil)
  }

  /// What the user must hear, whatever the style, on rank 0's standard error.
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
