/// Measures the seconds of repetitions of the same work.
struct Measurement {
  private let times: [Double]

  /// Repeats `body` for about `seconds`, at least three times, after a warm-up of a fifth of that.
  init(seconds: Double, _ body: () -> Void) {
    _ = Self.repeated(for: seconds / 5, atLeast: 1, body)
    times = Self.repeated(for: seconds, atLeast: 3, body)
  }

  var repetitions: Int { times.count }
  var minimum: Double { times.min()! }
  var median: Double { times.median }

  private static func repeated(
    for seconds: Double, atLeast count: Int, _ body: () -> Void
  ) -> [Double] {
    let clock = ContinuousClock()
    let start = clock.now
    var times: [Double] = []
    while times.count < count || start.duration(to: clock.now) < .seconds(seconds) {
      times.append(clock.measure(body) / .seconds(1))
    }
    return times
  }
}

extension [Double] {
  var median: Double {
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}

/// Formats a line of a table: a name and right-aligned columns.
func row(_ name: String, _ columns: [String], nameWidth: Int = 16, width: Int = 14) -> String {
  name + String(repeating: " ", count: max(nameWidth - name.count, 1))
    + columns.map { String(repeating: " ", count: max(width - $0.count, 1)) + $0 }.joined()
}
