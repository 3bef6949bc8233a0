import Datasets
import RandomNumbers
import Support
import Testing

struct CSVTests {
  func table(
    _ text: String, target: String? = nil, task: TableOptions.Task = .regression,
    header: Bool? = nil, split: Split = Split()
  ) throws -> Dataset {
    try Dataset(
      name: "t", csv: Array(text.utf8), file: "f",
      options: .init(task: task, target: target, header: header), split: split)
  }

  /// Returns the rows of both parts in the file's order and units.
  func rows(_ dataset: Dataset, split: Split = Split()) throws -> [[Double]] {
    let columns = try #require(dataset.columns)
    let count = dataset.training.count + dataset.test.count
    var rows = [[Double]](repeating: [], count: count)
    let order = CounterRandom(seed: split.seed, stream: 3 << 32).permutation(count: count)
    let test = order.prefix(dataset.test.count).sorted()
    let training = order.dropFirst(dataset.test.count).sorted()
    for (part, places) in [(dataset.training, training), (dataset.test, test)] {
      for (index, place) in places.enumerated() {
        rows[place] = zip(part.inputs([index]), columns.features).map {
          Double($0) * $1.std + $1.mean
        }
        switch part.targets {
        case .classes: rows[place].append(Double(part.classes([index])[0]))
        case .values:
          rows[place].append(
            Double(part.values([index])[0]) * columns.target.std + columns.target.mean)
        }
      }
    }
    return rows.map { $0.map { ($0 * 1e4).rounded() / 1e4 } }
  }

  @Test(
    "all accepted forms of a table give the same rows",
    arguments: [
      "a,b,c\n1,2,3\n4,5,6\n7,8,10\n",
      "1,2,3\r\n4,5,6\r\n7,8,10",
      "\u{FEFF}a;b;c\r\n1;2;3\r\n4;5;6\r\n7;8;10\r\n\r\n \n",
      "a\tb\tc\n1\t2\t3\n 4 \t5\t 6\n7\t8\t10\n\n",
      "\"a, or so\";\"b\";\"c\"\"\n;\"\n\"1\";2;3\n4;5;6\n7;8;10",
      "1.0e0, 2 , +3\n4,5.000,6\n.7e1,8,10\n",
      "name,,\n1,2,3\n4,5,6\n7,8,10\n",
    ])
  func tableForms(text: String) throws {
    let dataset = try table(text)
    #expect(dataset.inputShape == [2] && dataset.targets == .values(count: 1))
    #expect(dataset.training.count == 2 && dataset.test.count == 1)
    #expect(try rows(dataset) == [[1, 2, 3], [4, 5, 6], [7, 8, 10]])
  }

  @Test("columns are named by the header or by their number") func columnNames() throws {
    let text = "x,\"a \"\"b\"\"\",y\n1,2,3\n4,5,7\n"
    #expect(try #require(table(text).columns).features.map(\.name) == ["x", "a \"b\""])
    #expect(try #require(table(text).columns).target.name == "y")
    #expect(try #require(table("1,2\n3,4").columns).target.name == "2")
    for target in ["a \"b\"", "2"] {
      let dataset = try table(text, target: target)
      #expect(try #require(dataset.columns).target.name == "a \"b\"")
      #expect(try #require(dataset.columns).features.map(\.name) == ["x", "y"])
      #expect(try rows(dataset) == [[1, 3, 2], [4, 7, 5]])
    }
    // A column's name takes precedence over a column's number.
    let years = "2,1,z\n10,20,5\n30,40,6\n"
    #expect(try #require(table(years, target: "1").columns).target.mean != 10)
    #expect(try #require(table("z\(years)", target: "1").columns).target.name == "1")
  }

  @Test("columns are standardised with the training part's mean and deviation")
  func trainingStandardisation() throws {
    let random = CounterRandom(seed: 3, stream: 0)
    let numbers = (0..<300).map { random.uniform(at: $0) * 100 - 20 }
    let text = (0..<100).map { row in
      numbers[3 * row..<3 * row + 3].map { "\($0)" }.joined(separator: ",") + ",5\n"
    }.joined()
    let split = Split(testFraction: 0.25, seed: 8)
    let dataset = try table(text, target: "2", split: split)
    #expect(dataset.training.count == 75 && dataset.test.count == 25)
    let order = CounterRandom(seed: 8, stream: 3 << 32).permutation(count: 100)
    let training = order.dropFirst(25).sorted()
    let columns = try #require(dataset.columns)
    for (place, column, local) in [
      (0, 0, columns.features[0]), (1, 2, columns.features[1]), (0, 1, columns.target),
    ] {
      let values = training.map { numbers[3 * $0 + column] }
      let mean = values.reduce(0, +) / 75
      let std = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 75).squareRoot()
      #expect(local.mean == mean && local.std == std)
      let test = order.prefix(25).sorted()
      let expected = test.map { Float((numbers[3 * $0 + column] - mean) / std) }
      let got =
        column == 1
        ? dataset.test.values(dataset.test.allIndices)
        : dataset.test.allIndices.map { dataset.test.inputs([$0])[place] }
      #expect(got == expected)
    }
    #expect(dataset.targetStd == columns.target.std)
    // The mean of a constant column is subtracted; the divisor is 1.
    #expect(columns.features[2] == .init(name: "4", mean: 5, std: 1))
    #expect(dataset.training.allIndices.allSatisfy { dataset.training.inputs([$0])[2] == 0 })
    #expect(
      dataset.description
        == "t: 75 training and 25 test rows, no header, 3 features, target '2' of mean "
        + "\(rounded(columns.target.mean)) and std \(rounded(columns.target.std))")
  }

  /// Returns a number between 1 and 100 with four digits.
  func rounded(_ number: Double) -> String {
    let shift = number < 10 ? 1e3 : 1e2
    let text = "\((number * shift).rounded() / shift)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  @Test("a constant column stays constant in spite of rounding") func inexactConstant() throws {
    let dataset = try table(String(repeating: "0.1,1\n", count: 99) + "0.1,2\n")
    #expect(try #require(dataset.columns).features == [.init(name: "1", mean: 0.1, std: 1)])
  }

  @Test("each seed draws its own split") func splitSeed() throws {
    let text = (0..<40).map { "\($0),\($0)\n" }.joined()
    func tests(_ seed: UInt64) throws -> [Float] {
      let dataset = try table(text, split: Split(testFraction: 0.25, seed: seed))
      let columns = try #require(dataset.columns)
      return dataset.test.values(dataset.test.allIndices).map {
        Float((Double($0) * columns.target.std + columns.target.mean).rounded())
      }
    }
    #expect(try tests(1) == tests(1))
    let drawn = try Set((0..<20).map(tests))
    #expect(drawn.count == 20)
    #expect(drawn.allSatisfy { $0.count == 10 && $0 == $0.sorted() })
    // Every row is drawn at times: (3/4)^20 of them never, 0.1 of 40.
    #expect(Set(drawn.joined()).count >= 38)
  }

  @Test(
    "texts in the target column are classes",
    arguments: [
      // Covers names, no names, quotes, and a target in another column.
      ("x,k\n1,b\n2,a\n3,b\n4,c\n", nil), ("1,b\n2,a\n3,b\n4,c\n", nil),
      ("1,\"b\"\n2, a\n3,b \n4,\"c\"\n", nil), ("b,1\na,2\nb,3\nc,4", "1"),
      ("k,x\nb,1\na,2\nb,3\nc,4", "k"),
    ])
  func textClasses(text: String, target: String?) throws {
    let dataset = try table(text, target: target, task: .classification)
    #expect(dataset.targets == .classes(count: 3, positions: 1))
    #expect(try #require(dataset.columns).classNames == ["a", "b", "c"])
    #expect(try rows(dataset) == [[1, 1], [2, 0], [3, 1], [4, 2]])
    #expect(dataset.description.contains("1 feature, 3 classes of '"))
    #expect(dataset.description.hasSuffix("': a, b, c"))
    #expect(dataset.targetStd == 1)
  }

  @Test("numbers become classes in numerical order") func numberClasses() throws {
    let dataset = try table("1,10\n2,9\n3,-1\n4,10.0\n5,9\n", task: .classification)
    #expect(try #require(dataset.columns).classNames == ["-1", "9", "10"])
    #expect(try rows(dataset) == [[1, 2], [2, 1], [3, 0], [4, 2], [5, 1]])
    // One text turns all classes into texts.
    let texts = try table("1,10\n2,9\n3,n\n", task: .classification)
    #expect(try #require(texts.columns).classNames == ["10", "9", "n"])
  }

  @Test(
    "bad tables are refused with line and column",
    arguments: [
      ("", "its first line is empty"),
      ("\n1,2\n", "its first line is empty"),
      (
        "1\n2\n",
        "has a single column: expected features and a target, separated by ',', ';' or tabs"
      ),
      ("a,b\n", "has no rows below the names of its columns"),
      ("a,b\n1,2\n", "too few examples to train and to test: expected at least 2, got 1"),
      ("a,b\n1,2\n3\n", "line 3 has the wrong number of cells: expected 2, got 1"),
      ("1,2\n3,4,5\n", "line 2 has the wrong number of cells: expected 2, got 3"),
      ("1,2\n3,4,\n", "line 2 has the wrong number of cells: expected 2, got 3"),
      ("a,b\n1,2\n\n3,4\n", "line 3 is blank, and rows follow it"),
      ("a,b\n1,2\n3,\n", "line 3, column 2 'b': the cell is empty"),
      ("1,\n3,4\n", "line 1, column 2: the cell is empty"),
      ("a,b\n1,2\n\"\",4\n", "line 3, column 1 'a': the cell is empty"),
      ("a,b\n1,2\nNA,4\n", "line 3, column 1 'a': expected a finite number, got 'NA'"),
      ("1,2\n3,1;5\n", "line 2, column 2: expected a finite number, got '1;5'"),
      ("a,b\n1,2\n3,nan\n", "line 3, column 2 'b': expected a finite number, got 'nan'"),
      ("nan,1\n3,2\n", "line 1, column 1: expected a finite number, got 'nan'"),
      ("a,b\n1,-inf\n3,4\n", "line 2, column 2 'b': expected a finite number, got '-inf'"),
      ("a,b\n1,1e999\n3,4\n", "line 2, column 2 'b': expected a finite number, got '1e999'"),
      ("\"a\nx\",b\n1,2\n3,z\n", "line 4, column 2 'b': expected a finite number, got 'z'"),
      ("a,b\n1,2\n3,\"4\n5,6\n", "line 3: a quote that opens here is never closed"),
      ("a,b\n1,2\n3,\"4\"5\n", "line 3: text follows a closing quote"),
      (
        "a,b\n1,2\n3,\u{1B}[31m\n",
        "line 3, column 2 'b': expected a finite number, got '\\x1b[31m'"
      ),
      ("a,b\n1,2\r3,4\n", "line 2 ends in CR alone: expected LF or CR LF"),
      ("a,b\n1,\"2\"\r3,4\n", "line 2 ends in CR alone: expected LF or CR LF"),
      (
        "a,b\r1,2\r3,4\r",
        "line 1 ends in CR alone: expected LF or CR LF; to get it: tr '\\r' '\\n' < f > NEW"
      ),
      (
        "# made by hand\na,b\n1,2\n",
        "line 1 is a comment: expected names or numbers; to get it: grep -v '^#' < f > NEW"
      ),
      (
        "# one, two\na,b\n1,2\n",
        "line 1 is a comment: expected names or numbers; to get it: grep -v '^#' < f > NEW"
      ),
      (
        "a,b\n1,2\n#\n3,4\n",
        "line 3 is a comment: expected names or numbers; to get it: grep -v '^#' < f > NEW"
      ),
      ("1,NA\n3,4\n", "line 1, column 2: expected a finite number, got 'NA'"),
      (
        "a,kind\n1,good\n2,bad\n",
        "line 2, column 2 'kind': expected a finite number, or task: classification, got 'good'"
      ),
      ("a,b\n1,2\n1e308,4\n-1e308,5\n", "column 'a' has numbers too large to standardise"),
    ])
  func badTables(text: String, message: String) {
    #expect(refusal { _ = try table(text) } == "f: \(message)")
  }

  static let years = "2019,2020,2021\n1,2,3\n4,5,6\n7,8,10\n"
  static let quotedYears = years.replacing("2019,2020,2021", with: "\"2019\",\"2020\",\"2021\"")

  /// A header may consist of numbers in three cases: the user says so, they are quoted and those
  /// below are not, or the target is one of them.
  @Test("a header may consist of numbers") func numericNames() throws {
    for (text, target, header) in [
      (Self.years, nil, true), (Self.quotedYears, nil, nil), (Self.quotedYears, nil, true),
      (Self.years, "2021", nil), (Self.quotedYears, "2021", nil),
      // The column of R's row names has no name itself.
      (Self.quotedYears.replacing("\"2019\"", with: "\"\""), nil, nil),
    ] as [(String, String?, Bool?)] {
      let dataset = try table(text, target: target, header: header)
      #expect(dataset.columns?.target.name == "2021" && dataset.columns?.features[1].name == "2020")
      #expect(try rows(dataset) == [[1, 2, 3], [4, 5, 6], [7, 8, 10]])
      #expect(!dataset.description.contains("no header"))
    }
    let all = [[2019, 2020, 2021], [1, 2, 3], [4, 5, 6], [7, 8, 10]] as [[Double]]
    for (text, target, header) in [
      (Self.years, nil, nil), (Self.years, "3", nil), (Self.quotedYears, nil, false),
      (
        Self.quotedYears.replacing("10", with: "\"10\"").replacing("3\n", with: "\"3\"\n"), nil, nil
      ),
    ] as [(String, String?, Bool?)] {
      let dataset = try table(text, target: target, header: header)
      #expect(dataset.columns?.target.name == "3")
      #expect(try rows(dataset) == all)
      #expect(dataset.description.contains(" rows, no header, 2 features, target '3'"))
    }
    #expect(
      refusal { _ = try table("a,b\n1,2\n3,4\n", header: false) }
        == "f: line 1, column 1: expected a finite number, got 'a'")
    // Quotes mean nothing for classes: texts have them in every row.
    let classes = "\"1\",\"2\",\"kind\"\n5,6,\"x\"\n7,8,\"y\"\n"
    #expect(try table(classes, task: .classification).columns?.classNames == ["x", "y"])
  }

  /// A missing value is refused in labels as in features, and is never a name.
  @Test(
    "missing values are refused with their place",
    arguments: [
      "NA", "N/A", "n/a", "nan", "NaN", "-nan", "null", "NULL", "?", "<NA>", "#N/A", "\"NA\"",
    ])
  func missingValues(_ word: String) {
    let shown = word.replacing("\"", with: "")
    #expect(
      refusal { _ = try table("a,k\n1,x\n2,\(word)\n3,y\n", task: .classification) }
        == "f: line 3, column 2 'k': the value is missing: expected a class, got '\(shown)'")
    #expect(
      refusal { _ = try table("a,k\n1,2\n\(word),3\n") }
        == "f: line 3, column 1 'a': expected a finite number, got '\(shown)'")
    #expect(
      refusal { _ = try table("\(word),2\n3,4\n") }
        == "f: line 1, column 1: expected a finite number, got '\(shown)'")
    #expect(
      refusal { _ = try table("1,\(word)\n3,4\n", task: .classification) }
        == "f: line 1, column 2: the value is missing: expected a class, got '\(shown)'")
  }

  @Test("a column's name may begin with a hash sign") func hashName() throws {
    #expect(try table("# a,b\n1,2\n3,4\n").columns?.features[0].name == "# a")
  }

  @Test("bad targets are refused with the reason") func badTargets() {
    let text = "a,b,b\n1,2,3\n4,5,6\n"
    let cases: [(text: String, target: String?, task: TableOptions.Task, message: String)] = [
      (
        text, "c", .regression,
        "there is no column for target: "
          + "expected 'a', 'b', 'b', or a number from 1 to 3, got 'c'"
      ),
      (
        text, "4", .regression,
        "there is no column for target: "
          + "expected 'a', 'b', 'b', or a number from 1 to 3, got '4'"
      ),
      (
        "1,2\n3,4\n", "a", .regression,
        "there is no column for target: expected a number from 1 to 2, got 'a'"
      ),
      (
        text, "b", .regression,
        "2 columns are named 'b': expected target as a number from 1 to 3"
      ),
      (
        "a,b\n1,2\n4,2.0\n", nil, .classification,
        "column 'b' has the same value in all rows: at least 2 classes are needed"
      ),
      ("a,b\n1,x\n4,\n", nil, .classification, "line 3, column 2 'b': the cell is empty"),
    ]
    for (text, target, task, message) in cases {
      #expect(
        refusal { _ = try table(text, target: target, task: task) } == "f: \(message)")
    }
  }

  @Test("a test value too large after standardisation is refused") func testOutlier() throws {
    // Row 1 is the test part under this split.
    let split = try #require(
      (0..<10).map { Split(seed: $0) }.first {
        CounterRandom(seed: $0.seed, stream: 3 << 32).permutation(count: 3)[0] == 0
      })
    #expect(
      refusal { _ = try table("1e300,1\n1,2\n3,4\n", split: split) }
        == "f: column '1', row 1: too far from the others: expected a finite number after "
        + "standardisation with mean 2.0 and std 1.0, got 1e+300")
  }

  @Test("a separate test file uses the training file's columns and classes")
  func testFile() throws {
    let directory = try TemporaryDirectory()
    let training = try directory.write(Array("x,k\n1,2\n3,1\n8,2\n".utf8), to: "training")
    func load(_ text: String, task: TableOptions.Task = .classification) throws -> Dataset {
      var options = DatasetOptions()
      let test = try directory.write(Array(text.utf8), to: "test")
      options.table = TableOptions(task: task, testFile: test)
      return try DatasetSource("csv:\(training)").load(options)
    }
    let dataset = try load("x;k\n4;2.0\n-2;2\n")
    let feature = try #require(dataset.columns).features[0]
    // Mean 4; squares 9, 1 and 16.
    #expect(feature.mean == 4 && feature.std == (26.0 / 3).squareRoot())
    #expect(dataset.training.count == 3 && dataset.test.count == 2)
    #expect(dataset.test.inputs([0, 1]) == [0, Float(-6 / feature.std)])
    #expect(dataset.training.classes([0, 1, 2]) == [1, 0, 1])
    #expect(dataset.test.classes([0, 1]) == [1, 1])
    #expect(try load("x,k\n1,4\n", task: .regression).test.values([0])[0] > 0)
    for (text, message) in [
      (
        "x,k\n1,3\n",
        "column 'k' has a class that the training part lacks: expected 1, 2, got '3'"
      ),
      (
        "x,y,k\n1,1,1\n",
        "its columns are not those of \(training): expected 'x', 'k', got 'x', 'y', 'k'"
      ),
      ("1,1\n", "its columns are not those of \(training): expected 'x', 'k', got '1', '2'"),
      ("x,k\n", "has no rows below the names of its columns"),
      ("x,k\n1,\n", "line 2, column 2 'k': the cell is empty"),
    ] {
      #expect(refusal { _ = try load(text) } == "\(directory.root)/test: \(message)")
    }
  }

  @Test("UTF-16 text is recognised and refused") func utf16() {
    for mark in [[0xFF, 0xFE], [0xFE, 0xFF]] as [[UInt8]] {
      #expect(
        refusal {
          _ = try Dataset(
            name: "t", csv: mark + Array("1,2".utf8), file: "f", options: .init(), split: Split())
        } == "f: is UTF-16 text: expected a table as UTF-8 text, plain or gzip; to get it: "
          + "iconv -f UTF-16 -t UTF-8 < f > NEW")
    }
  }

  @Test("gzip files are inflated") func inflatedFiles() throws {
    let directory = try TemporaryDirectory()
    let bytes = Array("a,b\n1,2\n3,5\n".utf8)
    for (name, content) in [
      ("plain", bytes), ("packed", gzipped(bytes)),
      (
        "appended",
        gzipped(Array(bytes[..<5])) + gzipped(Array(bytes[5...])) + gzipped([]) + [0, 0]
      ),
    ] {
      let path = try directory.write(content, to: name)
      #expect(try rows(DatasetSource("csv:\(path)").load()) == [[1, 2], [3, 5]])
    }
    let missing = "\(directory.root)/missing"
    #expect(
      refusal { _ = try DatasetSource("csv:\(missing)").load() }
        == "\(missing): cannot open: No such file or directory")
  }
}
