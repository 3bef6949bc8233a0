import Formats
import Glibc
import LinearAlgebra

/// Holds the columns of a table as inputs and targets.
struct StandardisedTable {
  let inputs: ArrayExamples.Numbers
  let targets: ArrayExamples.Targets
  let width: Int
  let file: String

  func examples(_ rows: [Int]) -> ArrayExamples {
    ArrayExamples(
      inputShape: [width], inputs: inputs, targets: targets, rows: rows, source: file)
  }
}

extension TableColumns {
  /// Computes the statistics of a table's columns over the training rows.
  ///
  /// - Throws: `InputError` when a column's sums exceed double precision, or there is only one
  ///   class.
  init(of table: CSVTable, trainingRows: [Int]) throws(InputError) {
    let width = table.featureNames.count
    var features: [Column] = []
    for (column, name) in table.featureNames.enumerated() {
      features.append(
        try Column(
          name: name, values: table.features, column: column, of: width, rows: trainingRows,
          file: table.file))
    }
    self.features = features
    switch table.target {
    case .numbers(let numbers):
      target = try Column(
        name: table.targetName, values: numbers, column: 0, of: 1, rows: trainingRows,
        file: table.file)
      classNames = []
    case .classes(_, let names):
      guard names.count >= 2 else {
        throw InputError(
          table.file,
          "column '\(printable(table.targetName))' has the same value in all rows: "
            + "at least 2 classes are needed")
      }
      target = Column(name: table.targetName, mean: 0, std: 1)
      classNames = names
    }
  }

  /// Standardises a table with these statistics.
  ///
  /// - Throws: `InputError` when a standardised number exceeds `precision`, or the training part
  ///   lacks a class.
  func standardise(
    _ table: CSVTable, _ precision: Precision
  ) throws(InputError) -> StandardisedTable {
    func standardised(
      _ values: [Double], _ columns: [Column]
    ) throws(InputError) -> ArrayExamples.Numbers {
      switch precision {
      case .float32: .floats(try Self.standardised(values, columns, file: table.file))
      case .float64: .doubles(try Self.standardised(values, columns, file: table.file))
      }
    }
    let inputs = try standardised(table.features, features)
    let targets: ArrayExamples.Targets
    switch table.target {
    case .numbers(let numbers):
      targets = .values(try standardised(numbers, [target]), count: 1)
    case .classes(let labels, let names):
      let classes = try classes(names, in: table.file)
      targets = .classes(
        labels.map { classes[Int($0)] }, count: classNames.count, positions: 1)
    }
    return StandardisedTable(
      inputs: inputs, targets: targets, width: features.count, file: table.file)
  }

  /// Returns the standardised columns side by side, shape [rows, columns].
  private static func standardised<Element: Scalar>(
    _ values: [Double], _ columns: [Column], file: String
  ) throws(InputError) -> [Element] {
    var numbers = [Element](repeating: 0, count: values.count)
    for (index, column) in columns.enumerated() {
      try column.standardise(
        values, column: index, of: columns.count, into: &numbers, file: file)
    }
    return numbers
  }

  /// Returns the class of each name in a file.
  private func classes(_ names: [String], in file: String) throws(InputError) -> [Int32] {
    let classOfName = Dictionary(uniqueKeysWithValues: zip(classNames, 0 as Int32..<Int32.max))
    func number(_ text: String) -> Double? { decimalNumber(Array(text.utf8)[...]) }
    return try names.map { name throws(InputError) in
      if let found = classOfName[name] { return found }
      // 1.0 names the same class as 1.
      if let value = number(name), classNames.allSatisfy({ number($0) != nil }),
        let found = classNames.firstIndex(where: { number($0) == value })
      {
        return Int32(found)
      }
      throw InputError(
        file, "column '\(printable(target.name))' has a class that the training part lacks",
        expected: "\(shownNames)", got: "'\(printable(name))'")
    }
  }

  /// Describes the target: its classes, or mean and standard deviation.
  var targetDescription: String {
    let name = printable(target.name)
    guard !classNames.isEmpty else {
      return "target '\(name)' of mean \(rounded(target.mean)) and std \(rounded(target.std))"
    }
    return "\(classNames.count) classes of '\(name)': \(shownNames)"
  }

  private var shownNames: String {
    classNames.prefix(10).map(printable).joined(separator: ", ")
      + (classNames.count > 10 ? ", …" : "")
  }

  /// Formats a number with four significant digits.
  private func rounded(_ number: Double) -> String {
    var text = [CChar](repeating: 0, count: 64)
    _ = withVaList([number]) { vsnprintf(&text, text.count, "%.4g", $0) }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
