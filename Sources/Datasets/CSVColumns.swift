import Formats

/// Counts and names the columns of a CSV file; the header is optional.
struct CSVColumns {
  let count: Int
  private let names: [String]?

  var areNamed: Bool { names != nil }

  /// Takes the names from the first line if it is a header.
  ///
  /// - Parameters:
  ///   - first: cells of the first line: the header, or the first row.
  ///   - second: cells of the second line; empty if the file has one line.
  init(
    first: [CSVScanner.Cell], second: [CSVScanner.Cell], _ scanner: CSVScanner,
    _ options: TableOptions
  ) {
    count = first.count
    let hasNames = options.header ?? Self.areNames(first, above: second, scanner, options)
    names = hasNames ? first.map(scanner.text(of:)) : nil
  }

  /// Returns whether the cells are a header: one of them is text or the target's name, or all are
  /// quoted numbers above unquoted ones.
  static func areNames(
    _ cells: [CSVScanner.Cell], above rows: [CSVScanner.Cell], _ scanner: CSVScanner,
    _ options: TableOptions
  ) -> Bool {
    // For classification, text in the target column may be a class, so it is no sign of a header.
    let number = options.target.map { Int($0) ?? 0 } ?? cells.count
    let classes = options.task == .classification ? number - 1 : -1
    // A missing value is not a name.
    let columns = cells.indices.filter { $0 != classes && !scanner.isMissing(cells[$0]) }
    if columns.contains(where: { scanner.number(in: cells[$0]) == nil }) { return true }
    if let target = options.target, !(1...cells.count).contains(number),
      cells.contains(where: { scanner.text(of: $0) == target })
    {
      return true
    }
    return rows.count == cells.count && !columns.isEmpty
      && columns.allSatisfy { cells[$0].isQuoted && !rows[$0].isQuoted }
  }

  /// Returns the index of the target column.
  ///
  /// - Parameter target: a column's name, or its number from 1; nil for the last column.
  func target(_ target: String?, file: String) throws(InputError) -> Int {
    guard let target else { return count - 1 }
    let named = (0..<count).filter { names?[$0] == target }
    if named.count == 1 { return named[0] }
    guard named.isEmpty else {
      throw InputError(
        file, "\(named.count) columns are named '\(printable(target))'",
        expected: "\(setting: "target") as a number from 1 to \(count)")
    }
    if let number = Int(target), (1...count).contains(number) { return number - 1 }
    let known = names.map { names in
      names.prefix(20).map { "'\(printable($0))'" }.joined(separator: ", ")
        + (count > 20 ? ", …" : "") + ", or "
    }
    throw InputError(
      file, "there is no column for \(setting: "target")",
      expected: "\(known ?? "")a number from 1 to \(count)", got: "'\(printable(target))'")
  }

  /// Returns the column's name, or its number if it has none.
  func name(_ column: Int) -> String { names?[column] ?? "\(column + 1)" }

  /// Returns the column's number and name for messages.
  func label(_ column: Int) -> String {
    "column \(column + 1)" + (names.map { " '\(printable($0[column]))'" } ?? "")
  }
}

/// Escapes control characters and truncates the text to 60 scalars, for a message.
func printable(_ text: String) -> String {
  var printable = ""
  for scalar in text.unicodeScalars.prefix(60) {
    if scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) {
      printable += "\\x" + String(scalar.value, radix: 16)
    } else {
      printable.unicodeScalars.append(scalar)
    }
  }
  return text.unicodeScalars.count > 60 ? printable + "…" : printable
}
