import Glibc

extension Dataset {
  /// Reads a table of numbers in the CSV format, gzip-compressed or not, and splits it.
  ///
  /// Features, and the target of a regression, are standardised with mean and standard deviation of
  /// the training part.
  ///
  /// - Throws: `DatasetError` naming the file, line and column at fault.
  package init(
    name: String, csv path: String, options: TableOptions, split: Split
  ) throws(DatasetError) {
    try self.init(
      name: name, csv: try InputFile(path).readInflated(), file: path, options: options,
      split: split)
  }

  /// The same for a file's bytes in memory.
  package init(
    name: String, csv bytes: [UInt8], file: String, options: TableOptions, split: Split
  ) throws(DatasetError) {
    let table = try CSVTable(bytes, file: file, options: options)
    let rows = try split.rows(of: table.rowCount, source: file)
    let width = table.featureNames.count
    var inputs = [Float](repeating: 0, count: table.features.count)
    var features: [TableColumns.Column] = []
    for (column, name) in table.featureNames.enumerated() {
      let feature = try TableColumns.Column(
        name: name, values: table.features, column: column, of: width, rows: rows.training,
        file: file)
      try feature.standardise(table.features, column: column, of: width, into: &inputs, file: file)
      features.append(feature)
    }
    let (targets, columns): (ArrayExamples.Targets, TableColumns)
    switch table.target {
    case .numbers(let numbers):
      let target = try TableColumns.Column(
        name: table.targetName, values: numbers, column: 0, of: 1, rows: rows.training, file: file)
      var values = [Float](repeating: 0, count: numbers.count)
      try target.standardise(numbers, column: 0, of: 1, into: &values, file: file)
      targets = .values(values, count: 1)
      columns = TableColumns(features: features, target: target, classNames: [])
    case .classes(let classes, let names):
      targets = .classes(classes, count: names.count, positions: 1)
      columns = TableColumns(
        features: features, target: .init(name: table.targetName, mean: 0, std: 1),
        classNames: names)
    }
    func part(_ rows: [Int]) -> ArrayExamples {
      ArrayExamples(
        inputShape: [width], inputs: .floats(inputs), targets: targets, rows: rows, source: file)
    }
    try self.init(
      name: name, training: part(rows.training), test: part(rows.test), noun: "rows",
      details: ", \(width) feature\(width == 1 ? "" : "s"), \(columns.targetDescription)",
      columns: columns)
  }
}

extension TableColumns {
  /// For people: what is to be learned.
  var targetDescription: String {
    let name = printable(target.name)
    guard !classNames.isEmpty else {
      return "target '\(name)' of mean \(rounded(target.mean)) and std \(rounded(target.std))"
    }
    let shown = classNames.prefix(10).map(printable).joined(separator: ", ")
    return "\(classNames.count) classes of '\(name)': \(shown)"
      + (classNames.count > 10 ? ", …" : "")
  }

  /// Four digits of a number.
  private func rounded(_ number: Double) -> String {
    var text = [CChar](repeating: 0, count: 64)
    _ = withVaList([number]) { vsnprintf(&text, text.count, "%.4g", $0) }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
