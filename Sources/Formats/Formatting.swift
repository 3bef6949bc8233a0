import Foundation

/// Formats a number of bytes with three digits and a binary unit.
package func formatBytes(_ bytes: Int) -> String {
  var value = Double(bytes)
  for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
    if value < 1000 || unit == "TiB" {
      return unit == "B"
        ? "\(bytes) B" : "\(formatNumber(value, digits: value < 10 ? 1 : 0)) \(unit)"
    }
    value /= 1024
  }
  fatalError("unreachable")
}

/// Formats a number with a fixed number of decimals.
package func formatNumber(_ value: Double, digits: Int) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : "\(value)" }
  var text = [CChar](repeating: 0, count: 512)
  _ = withVaList([Int32(digits), value]) { vsnprintf(&text, text.count, "%.*f", $0) }
  return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
