import Foundation

/// Formats a time with a suitable unit: "20 ms".
package func formatSeconds(_ seconds: Double) -> String {
  guard seconds > 0 else { return "0" }
  let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]
  let (unit, name) = units.first { seconds >= $0.0 * 0.9995 } ?? units.last!
  return "\(formatShort(seconds / unit)) \(name)"
}

/// Formats a number with three digits and no trailing zeros: "0.05", "1.25", "4096".
package func formatShort(_ value: Double) -> String {
  value >= 100 && value < 1e6 ? String(format: "%.0f", value) : String(format: "%.3g", value)
}
