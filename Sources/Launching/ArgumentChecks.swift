import ArgumentParser

/// Refuses an option's value in one line.
package func require(_ holds: Bool, _ flag: String, _ expected: String, _ got: some Any) throws {
  guard holds else { throw ValidationError("\(flag): expected \(expected), got \(got)") }
}

/// Refuses a number out of its range in one line.
package func require(_ flag: String, in range: ClosedRange<Int>, _ got: Int) throws {
  try require(range.contains(got), flag, "in \(range)", got)
}

/// Turns an error of the library's into one of the command line's.
package func checked<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch { throw ValidationError("\(error)") }
}

/// An option's flag, without its dashes, from the label that a mirror of its group shows: `_learningRate`
/// is declared by the property wrapper of `learningRate` and set by `--learning-rate`.
package func flagName(of label: String?) -> String {
  (label ?? "").drop { $0 == "_" }.reduce(into: "") { name, letter in
    name += letter.isUppercase ? "-\(letter.lowercased())" : String(letter)
  }
}
