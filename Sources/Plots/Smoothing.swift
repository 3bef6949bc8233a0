/// The mean of each number and its neighbours, `width` in all, at the ends as many as there are on both
/// sides; of those that are finite.
///
/// - Returns: NaN where the number itself is not finite.
/// - Complexity: O(n).
package func smoothed(_ values: [Double], width: Int) -> [Double] {
  let half = max(width, 1) / 2
  let sums = windowSums(values.map { $0.isFinite ? $0 : 0 }, half: half)
  let counts = windowSums(values.map { $0.isFinite ? 1 : 0 }, half: half)
  return values.indices.map { values[$0].isFinite ? sums[$0] / counts[$0] : .nan }
}

/// Sums of numbers and up to `half` neighbours on each side, the same on both. Nothing is subtracted: a
/// number of great size leaves no trace where it is not in the window.
private func windowSums(_ values: [Double], half: Int) -> [Double] {
  var sums = values
  let (count, width) = (values.count, 2 * half + 1)
  // Near the ends each window holds the one before.
  let ends = min(half, (count + 1) / 2)
  for end in 1..<max(ends, 1) {
    sums[end] = sums[end - 1] + values[2 * end - 1] + values[2 * end]
    let (last, next) = (count - 1, count - 1 - end)
    sums[next] = sums[next + 1] + values[last - 2 * end + 1] + values[last - 2 * end]
  }
  guard half > 0, count >= width else { return sums }
  // Of blocks as wide as a window: from each block's start, and to its end.
  var (forward, backward) = (values, values)
  for index in 1..<count where index % width != 0 { forward[index] += forward[index - 1] }
  for index in (0..<count - 1).reversed() where (index + 1) % width != 0 {
    backward[index] += backward[index + 1]
  }
  for index in half..<count - half {
    let (start, end) = (index - half, index + half)
    sums[index] = start % width == 0 ? forward[end] : backward[start] + forward[end]
  }
  return sums
}
