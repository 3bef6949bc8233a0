/// Seconds that repetitions of the same work took.
struct Measurement {
  private let sorted: [Double]

  /// Repeats `body` for about `seconds`, at least three times, after a warm-up of a fifth of that.
  init(seconds: Double, _ body: () -> Void) {
    _ = Self.repeated(for: seconds / 5, atLeast: 1, body)
    sorted = Self.repeated(for: seconds, atLeast: 3, body).sorted()
  }

  var repetitions: Int { sorted.count }
  var minimum: Double { sorted[0] }
  var median: Double { (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2 }

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

/// A line of a table: a name, and columns to the right of it.
func row(_ name: String, _ columns: [String]) -> String {
  name.padding(toLength: 12, withPad: " ", startingAt: 0)
    + columns.map { String(repeating: " ", count: max(14 - $0.count, 1)) + $0 }.joined()
}
