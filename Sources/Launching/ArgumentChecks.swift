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
