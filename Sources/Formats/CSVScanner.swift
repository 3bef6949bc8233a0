/// Splits the text of a CSV file into records and cells.
///
/// Follows RFC 4180, with common extensions: lines that end in LF alone, a byte order mark, spaces
/// around cells, and ';' or a tab instead of the comma.
package struct CSVScanner {
  package struct Cell {
    /// The range of the text, without surrounding quotes and spaces.
    package let range: Range<Int>
    package let isQuoted: Bool
  }

  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  package let bytes: [UInt8]
  let file: String
  let delimiter: UInt8
  private var position: Int
  private var line = 1

  /// Checks the format and finds the delimiter.
  ///
  /// - Throws: `InputError` if the file is not UTF-8 text.
  package init(_ bytes: [UInt8], file: String) throws(InputError) {
    try FileFormat.refuse(
      bytes, size: bytes.count, of: file, for: .text,
      expected: "a table as UTF-8 text, plain or gzip")
    self.bytes = bytes
    self.file = file
    position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    delimiter = Self.delimiter(of: bytes[position...])
  }

  /// Returns the most frequent of tab, ';' and ',' in the first line, outside quotes.
  private static func delimiter(of text: ArraySlice<UInt8>) -> UInt8 {
    let candidates = [UInt8(ascii: "\t"), UInt8(ascii: ";"), UInt8(ascii: ",")]
    var counts = [0, 0, 0]
    var quoted = false
    for byte in text {
      if byte == quote { quoted.toggle() }
      if quoted { continue }
      if byte == newline { break }
      if let candidate = candidates.firstIndex(of: byte) { counts[candidate] += 1 }
    }
    let most = counts.max()!
    return most == 0 ? UInt8(ascii: ",") : candidates[counts.firstIndex(of: most)!]
  }

  /// Reads the cells of the next record.
  ///
  /// - Returns: its first line number, from 1; nil at the end of the file.
  package mutating func next(into cells: inout [Cell]) throws(InputError) -> Int? {
    guard position < bytes.count else { return nil }
    cells.removeAll(keepingCapacity: true)
    let start = line
    repeat { cells.append(try cell()) } while try takeDelimiter()
    return start
  }

  /// Returns true for a line that is empty or has only spaces.
  package func isBlank(_ cells: [Cell]) -> Bool {
    cells.count == 1 && cells[0].range.isEmpty && !cells[0].isQuoted
  }

  private mutating func cell() throws(InputError) -> Cell {
    skipSpaces()
    guard position < bytes.count, bytes[position] == Self.quote else {
      let start = position
      while position < bytes.count, bytes[position] != delimiter, bytes[position] != Self.newline {
        if bytes[position] == Self.carriageReturn { try checkLineFeed(after: position) }
        position += 1
      }
      var end = position
      while end > start,
        isSpace(bytes[end - 1]) || (bytes[end - 1] == Self.carriageReturn && end == position)
      {
        end -= 1
      }
      return Cell(range: start..<end, isQuoted: false)
    }
    let opening = line
    position += 1
    let start = position
    while true {
      guard position < bytes.count else {
        throw InputError(file, "line \(opening): a quote that opens here is never closed")
      }
      let byte = bytes[position]
      position += 1
      if byte == Self.newline { line += 1 }
      guard byte == Self.quote else { continue }
      // A quote inside a quoted cell is doubled.
      guard position < bytes.count, bytes[position] == Self.quote else { break }
      position += 1
    }
    let end = position - 1
    skipSpaces()
    return Cell(range: start..<end, isQuoted: true)
  }

  /// Consumes the delimiter or line end after a cell.
  ///
  /// - Returns: true if the record has another cell.
  private mutating func takeDelimiter() throws(InputError) -> Bool {
    guard position < bytes.count else { return false }
    if bytes[position] == delimiter {
      position += 1
      return true
    }
    if bytes[position] == Self.carriageReturn {
      try checkLineFeed(after: position)
      position += 1
    }
    guard position < bytes.count else { return false }
    guard bytes[position] == Self.newline else {
      throw InputError(file, "line \(line): text follows a closing quote")
    }
    position += 1
    line += 1
    return false
  }

  /// Refuses a line that ends in CR alone, as on classic Mac OS.
  private func checkLineFeed(after position: Int) throws(InputError) {
    guard position + 1 < bytes.count, bytes[position + 1] != Self.newline else { return }
    // `tr` would make two lines of each CR LF.
    let remedy =
      bytes.contains(Self.newline)
      ? "" : "; to get it: \(FileFormat.filter(file, through: "tr '\\r' '\\n'"))"
    throw InputError(
      file, "line \(line) ends in CR alone", expected: "LF or CR LF\(remedy)")
  }

  private mutating func skipSpaces() {
    while position < bytes.count, isSpace(bytes[position]) { position += 1 }
  }

  private func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (byte == UInt8(ascii: "\t") && byte != delimiter)
  }

  /// Returns the text of a cell, with doubled quotes as single ones.
  package func text(of cell: Cell) -> String {
    var text: [UInt8] = []
    var position = cell.range.lowerBound
    while position < cell.range.upperBound {
      text.append(bytes[position])
      position += cell.isQuoted && bytes[position] == Self.quote ? 2 : 1
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Returns true for a missing value, as R, pandas, SQL and the UCI repository write it.
  package func isMissing(_ cell: Cell) -> Bool {
    if cell.range.isEmpty || number(in: cell)?.isNaN == true { return true }
    return cell.range.count <= 4 && Self.missing.contains(text(of: cell))
  }

  private static let missing: Set = [
    "NA", "N/A", "n/a", "#NA", "#N/A", "<NA>", "null", "Null", "NULL", "?",
  ]

  /// Returns true if a line begins with '#'.
  package func looksLikeComment(_ cells: [Cell]) -> Bool {
    !cells[0].isQuoted && bytes[cells[0].range].first == UInt8(ascii: "#")
  }

  package func comment(line: Int) -> InputError {
    InputError(
      file, "line \(line) is a comment",
      expected: "names or numbers; to get it: \(FileFormat.filter(file, through: "grep -v '^#'"))")
  }

  /// Returns the number in a cell; nil for any other text.
  package func number(in cell: Cell) -> Double? { decimalNumber(bytes[cell.range]) }
}
