import Formats

/// Holds the numbers of a CSV file: one column is the target, all others are features.
///
/// The options may say whether the first line is a header. Otherwise it is one if any cell is text
/// or the target's name, or if its numbers are quoted and those in the second line are not. For
/// classification, the target column's cell does not count if its position is known without names.
struct CSVTable {
  enum Target {
    /// Shape [rows].
    case numbers([Double])
    /// Shape [rows], and the class names in order: by value if all are numbers, otherwise by their
    /// bytes.
    case classes([Int32], names: [String])
  }

  let file: String
  /// True if the first line names the columns.
  let hasHeader: Bool
  /// Names in the file's order.
  let featureNames: [String]
  let targetName: String
  /// Shape [rows, features].
  let features: [Double]
  let target: Target
  let rowCount: Int

  /// Parses a file's bytes.
  ///
  /// - Throws: `InputError` naming the file and, if known, the line and column at fault.
  init(_ bytes: [UInt8], file: String, options: TableOptions) throws(InputError) {
    var scanner = try CSVScanner(bytes, file: file)
    var cells: [CSVScanner.Cell] = []
    guard var line = try scanner.next(into: &cells), !scanner.isBlank(cells) else {
      throw InputError(file, "its first line is empty")
    }
    var second: [CSVScanner.Cell] = []
    var lookAhead = scanner
    _ = try lookAhead.next(into: &second)
    let isComment =
      scanner.looksLikeComment(cells) && !second.isEmpty
      && (second.count != cells.count
        || CSVColumns.areNames(second, above: [], scanner, options))
    guard !isComment else { throw scanner.comment(line: 1) }
    guard cells.count >= 2 else {
      throw InputError(
        file, "has a single column",
        expected: "features and a target, separated by ',', ';' or tabs"
      )
    }
    let columns = CSVColumns(first: cells, second: second, scanner, options)
    let targetColumn = try columns.target(options.target, file: file)
    var features: [Double] = []
    var labels = ClassLabels()
    var numbers: [Double] = []
    var rowCount = 0

    /// Appends the cells of a row.
    func add(_ cells: [CSVScanner.Cell], line: Int) throws(InputError) {
      guard cells.count == columns.count else {
        if scanner.looksLikeComment(cells) { throw scanner.comment(line: line) }
        throw InputError(
          file, "line \(line) has the wrong number of cells", expected: "\(columns.count)",
          got: "\(cells.count)")
      }
      for (column, cell) in cells.enumerated() {
        guard !cell.range.isEmpty else {
          throw InputError(
            file, "line \(line), \(columns.label(column)): the cell is empty")
        }
        if column == targetColumn, options.task == .classification {
          guard !scanner.isMissing(cell) else {
            throw InputError(
              file, "line \(line), \(columns.label(column)): the value is missing",
              expected: "a class", got: "'\(scanner.text(of: cell))'")
          }
          labels.append(scanner.text(of: cell), number: scanner.number(in: cell))
          continue
        }
        guard let number = scanner.number(in: cell), number.isFinite else {
          // Text below numbers is a mistake; with no number above it, the column may hold classes.
          let isClass =
            column == targetColumn && rowCount == 0 && scanner.number(in: cell) == nil
            && !scanner.isMissing(cell)
          throw InputError(
            file, "line \(line), \(columns.label(column))",
            expected: "a finite number"
              + (isClass ? ", or \(setting: "task", "classification")" : ""),
            got: "'\(printable(scanner.text(of: cell)))'")
        }
        if column == targetColumn { numbers.append(number) } else { features.append(number) }
      }
      rowCount += 1
    }

    var blank: Int?
    if !columns.areNamed { try add(cells, line: line) }
    while let next = try scanner.next(into: &cells) {
      line = next
      if scanner.isBlank(cells) {
        blank = blank ?? line
        continue
      }
      if let blank { throw InputError(file, "line \(blank) is blank, and rows follow it") }
      try add(cells, line: line)
    }
    guard rowCount > 0 else {
      throw InputError(file, "has no rows below the names of its columns")
    }
    self.file = file
    hasHeader = columns.areNamed
    self.rowCount = rowCount
    self.features = features
    targetName = columns.name(targetColumn)
    featureNames = (0..<columns.count).filter { $0 != targetColumn }.map(columns.name)
    if options.task == .classification {
      let (classes, names) = labels.sorted()
      target = .classes(classes, names: names)
    } else {
      target = .numbers(numbers)
    }
  }
}

/// Collects the distinct values of a column, in order of appearance.
private struct ClassLabels {
  private var labels: [Int32] = []
  private var names: [String] = []
  private var numbers: [Double] = []
  private var labelOfName: [String: Int32] = [:]
  private var areNumbers = true

  /// Appends a cell's label.
  ///
  /// - Parameter number: the numeric value of the text; nil if it has none.
  mutating func append(_ text: String, number: Double?) {
    if let label = labelOfName[text] {
      labels.append(label)
      return
    }
    let label = Int32(names.count)
    labelOfName[text] = label
    names.append(text)
    numbers.append(number ?? .nan)
    if !numbers.last!.isFinite { areNumbers = false }
    labels.append(label)
  }

  /// Returns the labels and the class names in class order; if all are numbers, texts of one
  /// number, such as 1 and 1.0, are one class.
  func sorted() -> (classes: [Int32], names: [String]) {
    let order = names.indices.sorted {
      areNumbers && numbers[$0] != numbers[$1]
        ? numbers[$0] < numbers[$1] : names[$0].utf8.lexicographicallyPrecedes(names[$1].utf8)
    }
    var classNames: [String] = []
    var classOfLabel = [Int32](repeating: 0, count: names.count)
    var last: Double?
    for label in order {
      if !areNumbers || last != numbers[label] { classNames.append(names[label]) }
      last = numbers[label]
      classOfLabel[label] = Int32(classNames.count - 1)
    }
    return (labels.map { classOfLabel[Int($0)] }, classNames)
  }
}
