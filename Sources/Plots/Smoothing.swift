/// The mean of each number and its neighbours, half of `width` on each side, at the ends as many as
/// there are; of those that are finite.
///
/// - Returns: NaN where the number itself is not finite.
/// - Complexity: O(n).
package func smoothed(_ values: [Double], width: Int) -> [Double] {
  let half = max(width, 1) / 2
  let sums = windowSums(values.map { $0.isFinite ? $0 : 0 }, half: half)
  let counts = windowSums(values.map { $0.isFinite ? 1 : 0 }, half: half)
  return values.indices.map { values[$0].isFinite ? sums[$0] / counts[$0] : .nan }
}

/// Sums of numbers and up to `half` neighbours on each side. Nothing is subtracted: a number of
/// great size leaves no trace where it is not in the window.
private func windowSums(_ values: [Double], half: Int) -> [Double] {
  let width = 2 * half + 1
  let ends = [Double](repeating: 0, count: half)
  // Of blocks as wide as a window: from each block's start, and to its end.
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
