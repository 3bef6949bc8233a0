/// Selects the points that a line needs to look the same at a plot's resolution. The x range is
/// divided into `columns` equal parts. Each part keeps its first, last, lowest and highest point;
/// each run of points without a finite y keeps one.
///
/// - Parameters:
///   - x: not decreasing.
///   - y: of the same count.
/// - Returns: increasing indices; all of them if there are at most `4·columns`.
/// - Complexity: O(n).
///
/// The M4 aggregation; Jugel, Jerzak, Hackenbroich and Markl, 2014.
package func thinned(x: [Double], y: [Double], columns: Int) -> [Int] {
  precondition(x.count == y.count, "\(x.count) places of \(y.count) points")
  guard x.count > 4 * columns, let first = x.first, let last = x.last, last > first else {
    return Array(x.indices)
  }
  func column(_ index: Int) -> Int {
    let place = (x[index] - first) / (last - first) * Double(columns)
    return Int(max(min(place, Double(columns - 1)), 0))
  }
  var kept: [Int] = []
  var start = 0
  while start < x.count {
    let isGap = !y[start].isFinite
    let place = column(start)
    var end = start
    var (low, high) = (start, start)
    while end < x.count, y[end].isFinite != isGap, column(end) == place {
      if y[end] < y[low] { low = end }
      if y[end] > y[high] { high = end }
      end += 1
    }
    kept += isGap ? [start] : Set([start, low, high, end - 1]).sorted()
    start = end
  }
  return kept
}
