import ArgumentParser

/// `FIRST-LAST`, both among them, or one number.
struct IndexRange: ExpressibleByArgument, CustomStringConvertible {
  let range: Range<Int>

  init?(argument: String) {
    let numbers = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(numbers.count), let first = numbers[0], let last = numbers.last!,
      first >= 0, last >= first, last < Int.max
    else { return nil }
    range = first..<last + 1
  }

  var description: String { "\(range.lowerBound)-\(range.upperBound - 1)" }
}
