/// Returns the mean of each number and its finite neighbours, half of `width` on each side and
/// fewer at the ends.
///
/// - Returns: NaN at each number that is not finite.
/// - Complexity: O(n).
package func smoothed(_ values: [Double], width: Int) -> [Double] {
  let half = max(width, 1) / 2
  let sums = windowSums(values.map { $0.isFinite ? $0 : 0 }, half: half)
  let counts = windowSums(values.map { $0.isFinite ? 1 : 0 }, half: half)
  return values.indices.map { values[$0].isFinite ? sums[$0] / counts[$0] : .nan }
}

/// Sums each number and up to `half` neighbours on each side. It never subtracts, so a very large
/// number leaves no error in other windows.
private func windowSums(_ values: [Double], half: Int) -> [Double] {
  let width = 2 * half + 1
  let ends = [Double](repeating: 0, count: half)
  // Running sums in blocks as wide as a window: from the block's start, and to its end.
  var forward = ends + values + ends
  var backward = forward
  for index in forward.indices.dropFirst() where index % width != 0 {
    forward[index] += forward[index - 1]
  }
  for index in backward.indices.dropLast().reversed() where (index + 1) % width != 0 {
    backward[index] += backward[index + 1]
  }
  return values.indices.map { start in
    let end = start + width - 1
    return start % width == 0 ? forward[end] : backward[start] + forward[end]
  }
}
