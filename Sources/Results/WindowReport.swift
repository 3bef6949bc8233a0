import Plots

/// A window's times: an element of what `swift-mfac-bench window` writes as JSON.
package struct WindowReport: Codable {
  /// d.
  package let parameters: Int
  /// m.
  package let window: Int
  /// Of its numbers.
  package let type: String
  package let density: Double
  package let bytes: Int
  package let streamingBytesPerSecond: Double
  /// Of `stage`, `gram_row`, `direction`, `passes` (both of these) and `factor`.
  package let seconds: [String: Double]

  package init(
    parameters: Int, window: Int, type: String, density: Double, bytes: Int,
    streamingBytesPerSecond: Double, seconds: [String: Double]
  ) {
    self.parameters = parameters
    self.window = window
    self.type = type
    self.density = density
    self.bytes = bytes
    self.streamingBytesPerSecond = streamingBytesPerSecond
    self.seconds = seconds
  }

  package var title: String {
    "m = \(window) \(type)" + (density == 1 ? "" : ", density \(density)")
  }

  package static func plot(of reports: [WindowReport]) -> BarPlot {
    let sizes = Set(reports.map(\.parameters)).sorted().map(String.init)
    return BarPlot(
      title: "A step's work on the window, d = \(sizes.joined(separator: ", ")), one core",
      valueTitle: "median time",
      groups: reports.map { report in
        let isStaged = report.type != "float32" || report.density != 1
        let parts = [("Gram row", "gram_row"), ("direction", "direction"), ("factor", "factor")]
        let bars = (parts + (isStaged ? [("stage", "stage")] : [])).compactMap { name, key in
          report.seconds[key].map { BarPlot.Bar(name: name, value: $0) }
        }
        let streaming = BarPlot.Bar(
          name: "streaming", value: Double(report.bytes) / report.streamingBytesPerSecond)
        return (name: report.title, bars: [streaming] + bars)
      }, format: formatSeconds)
  }
}

/// A network's times: an element of what `swift-mfac-bench networks` writes as JSON.
package struct NetworkReport: Codable {
  package let network: String
  package let batch: Int
  package let microBatches: Int
  package let medianMs: Double
  package let minimumMs: Double
  package let repetitions: Int

  package init(
    network: String, batch: Int, microBatches: Int, medianMs: Double, minimumMs: Double,
    repetitions: Int
  ) {
    self.network = network
    self.batch = batch
    self.microBatches = microBatches
    self.medianMs = medianMs
    self.minimumMs = minimumMs
    self.repetitions = repetitions
  }

  package static func plot(of reports: [NetworkReport]) -> BarPlot {
    let batches = Set(reports.map(\.batch)).sorted().map(String.init).joined(separator: ", ")
    return BarPlot(
      title: "Forward and backward, batch \(batches), one core",
      valueTitle: "median time of a batch",
      groups: Dictionary(grouping: reports, by: \.network).sorted { $0.key < $1.key }.map {
        (
          name: $0.key,
          bars: $0.value.map {
            BarPlot.Bar(name: "in \($0.microBatches)", value: $0.medianMs / 1000)
          }
        )
      }, format: formatSeconds)
  }
}
