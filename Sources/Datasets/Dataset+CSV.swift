import Formats
import LinearAlgebra

extension Dataset {
  /// Reads a table of numbers in CSV format, gzip-compressed or not, and splits it if `options`
  /// name no test file.
  ///
  /// Standardises the features, and the target of a regression, with mean and standard deviation of
  /// the training part.
  ///
  /// - Throws: `InputError` naming the file, line and column at fault.
  package init(
    name: String, csv path: String, options: TableOptions, split: Split,
    precision: Precision = .float32
  ) throws(InputError) {
    func read(_ path: String) throws(InputError) -> CSVTable {
      try CSVTable(try InputFile(path).readInflated(), file: path, options: options)
    }
    let table = try read(path)
    if let testFile = options.testFile {
      try self.init(
        name: name, table, trainingRows: Array(0..<table.rowCount), test: try read(testFile),
        precision)
    } else {
      try self.init(name: name, table, split: split, precision)
    }
  }

  /// Reads a table from a file's bytes in memory, and splits it.
  package init(
    name: String, csv bytes: [UInt8], file: String, options: TableOptions, split: Split,
    precision: Precision = .float32
  ) throws(InputError) {
    try self.init(
      name: name, try CSVTable(bytes, file: file, options: options), split: split, precision)
  }

  private init(
    name: String, _ table: CSVTable, split: Split, _ precision: Precision
  ) throws(InputError) {
    let rows = try split.rows(of: table.rowCount, source: table.file)
    let columns = try TableColumns(of: table, trainingRows: rows.training)
    let arrays = try columns.standardise(table, precision)
    try self.init(
      name: name, columns, hasHeader: table.hasHeader,
      training: arrays.examples(rows.training), test: arrays.examples(rows.test))
  }

  private init(
    name: String, _ table: CSVTable, trainingRows: [Int], test: CSVTable, _ precision: Precision
  ) throws(InputError) {
    let columns = try TableColumns(of: table, trainingRows: trainingRows)
    guard test.featureNames == table.featureNames, test.targetName == table.targetName else {
      func names(_ table: CSVTable) -> String {
        (table.featureNames + [table.targetName]).map { "'\(printable($0))'" }
          .joined(separator: ", ")
      }
      throw InputError(
        test.file, "its columns are not those of \(table.file)", expected: "\(names(table))",
        got: "\(names(test))")
    }
    try self.init(
      name: name, columns, hasHeader: table.hasHeader,
      training: try columns.standardise(table, precision).examples(trainingRows),
      test: try columns.standardise(test, precision).examples(Array(0..<test.rowCount)))
  }

  private init(
    name: String, _ columns: TableColumns, hasHeader: Bool, training: ArrayExamples,
    test: ArrayExamples
  ) throws(InputError) {
    let width = columns.features.count
    try self.init(
      name: name, training: training, test: test, noun: "rows",
      details: (hasHeader ? "" : ", no header")
        + ", \(width) feature\(width == 1 ? "" : "s"), \(columns.targetDescription)",
      columns: columns)
  }
}
