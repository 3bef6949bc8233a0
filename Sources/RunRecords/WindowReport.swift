/// Records a window's times; the JSON that `swift-mfac-bench window` writes is a list of these.
package struct WindowReport: Codable {
  /// d.
  package let parameters: Int
  /// m.
  package let window: Int
  /// Type of the stored numbers.
  package let type: String
  package let density: Double
  package let bytes: Int
  package let streamingBytesPerSecond: Double
  /// Median seconds by part: `stage`, `gram_row`, `direction`, `passes` (Gram row and direction
  /// together) and `factor`.
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
}

/// Records a network's times; the JSON that `swift-mfac-bench networks` writes is a list of these.
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
}
