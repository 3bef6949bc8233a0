import Formats

/// The columns of a CSV file, with or without names.
struct CSVColumns {
  let count: Int
  private let names: [String]?

  var areNamed: Bool { names != nil }

  /// - Parameters:
  ///   - first: the cells of the first line, which names the columns or is the first row.
  ///   - second: those of the line after it; empty where there is none.
  init(
    first: [CSVScanner.Cell], second: [CSVScanner.Cell], _ scanner: CSVScanner,
    _ options: TableOptions
  ) {
    count = first.count
    let hasNames = options.header ?? Self.areNames(first, above: second, scanner, options)
    names = hasNames ? first.map(scanner.text(of:)) : nil
  }

  /// Whether cells name columns: one of them is a text, or they are quoted numbers above others
  /// that are not, or one of them is the target's name.
  static func areNames(
    _ cells: [CSVScanner.Cell], above rows: [CSVScanner.Cell], _ scanner: CSVScanner,
    _ options: TableOptions
  ) -> Bool {
    // Of a column of classes, a text is as good as a number.
    let number = options.target.map { Int($0) ?? 0 } ?? cells.count
    let classes = options.task == .classification ? number - 1 : -1
    // A missing value is no name.
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

  /// The column that is the target.
  ///
  /// - Parameter target: a name, or a number from 1; the last one where it is nil.
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

  /// A column's name; its number where it has none.
  func name(_ column: Int) -> String { names?[column] ?? "\(column + 1)" }

  /// For messages.
  func label(_ column: Int) -> String {
    "column \(column + 1)" + (names.map { " '\(printable($0[column]))'" } ?? "")
  }
}

/// A text for a message: on one line, and not too much of it.
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
