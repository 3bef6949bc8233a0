import ArgumentParser
import Curvature
import Foundation
import LinearAlgebra
import ProgramOptions
import RunRecords

/// Times M-FAC's work in addition to the gradient, on one core: the Gram row, the factor with its
/// solve, and the direction.
struct WindowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "window",
    abstract: "Times the two passes over a full window of gradients, beside streaming reads.",
    discussion: """
      Times are medians over the steps, in milliseconds on one core. GB/s count each stored number \
      once a pass, and are compared with plain reads measured between the steps. The stage line \
      converts a gradient to the window's form, the factor line updates the Cholesky factor.
      """)

  @Option(parsing: .unconditional, help: "d, columns of the window.")
  var parameters = 1_000_000

  @Option(parsing: .upToNextOption, help: "m, gradients in the window; one table each.")
  var window = [256, 1024]

  @Option(
    parsing: .upToNextOption,
    help: "Number types of the window; one table each, all in memory at once.")
  var windowType = [RowType.float32]

  @Option(
    parsing: .upToNextOption,
    help: "Fractions of the coordinates that the window keeps; one table each.")
  var windowDensity = [1.0]

  @Option(parsing: .unconditional, help: "Steps to measure.")
  var steps = 9

  @OptionGroup var files: ResultFiles

  func validate() throws {
    try files.checkReplacesNoSweep()
    for (flag, value) in [("--parameters", parameters), ("--steps", steps)] {
      try require(flag, in: 1...1_000_000_000, value)
    }
    for m in window { try require("--window", in: 1...100_000, m) }
    for density in windowDensity {
      try require(density > 0 && density <= 1, "--window-density", "in (0, 1]", density)
    }
  }

  func run() throws {
    print("d = \(parameters), one thread, OpenBLAS core type \(BLAS.coreType)")
    let forms = windowDensity.flatMap { density in
      windowType.map { WindowForm(type: $0, density: density) }
    }
    var results: [WindowMeasurement] = []
    for m in window {
      let ofOne: [WindowMeasurement]
      do {
        ofOne = try WindowMeasurement.measure(
          parameters: parameters, window: m, forms: forms, steps: steps)
      } catch is NotPositiveDefinite {
        // Random gradients are nearly orthogonal only if there are far fewer of them than
        // coordinates.
        throw ValidationError(
          "--window: expected far fewer gradients than --parameters, \(parameters), got \(m)")
      }
      let dense = ofOne.first { $0.form == WindowForm(type: .float32) }
      for result in ofOne { show(result, beside: dense) }
      results += ofOne
    }
    let reports = results.map(\.report)
    try files.write(reports)
  }

  private func title(of result: WindowMeasurement) -> String {
    "m = \(result.window) \(result.form)"
  }

  /// Prints the table of a window.
  ///
  /// - Parameter dense: the same window in single precision, if measured.
  private func show(_ result: WindowMeasurement, beside dense: WindowMeasurement?) {
    let form = result.form
    print(
      "\(title(of: result)): \(result.bytes / 1_000_000) MB, "
        + "streaming reads at \(format(result.streaming / 1e9, 1)) GB/s")
    func line(_ name: String, _ seconds: Double, passes: Int = 0, beside dense: Double? = nil) {
      var columns = ["\(format(1000 * seconds, 2)) ms"]
      if passes > 0 {
        let rate = Double(passes * result.bytes) / seconds
        columns += [
          "\(format(rate / 1e9, 1)) GB/s", "\(format(rate / result.streaming, 2)) streaming",
        ]
      }
      if let dense { columns.append("\(format(dense / seconds, 2)) × float32") }
      print(row("  \(name)", columns))
    }
    if form != WindowForm(type: .float32) { line("stage", result.stage) }
    line("Gram row", result.gramRow, passes: 1)
    line("direction", result.direction, passes: 1)
    line("both", result.passes, passes: 2, beside: dense?.passes)
    line("factor", result.factor)
  }

  private func format(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}

extension WindowMeasurement {
  fileprivate var report: WindowReport {
    WindowReport(
      parameters: parameters, window: window, type: form.type!.rawValue, density: form.density,
      bytes: bytes, streamingBytesPerSecond: streaming,
      seconds: [
        "stage": stage, "gram_row": gramRow, "direction": direction, "passes": passes,
        "factor": factor,
      ])
  }
}
