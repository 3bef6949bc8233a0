import Formats
import Foundation
import Plots

/// Creates parts of a page, and escapes all text from files.
enum HTML {
  static func escaped(_ text: String) -> String { SVG.escaped(text) }

  /// Returns a section with a heading; empty if its content is empty.
  static func section(_ title: String, _ content: [String]) -> String {
    let content = content.filter { !$0.isEmpty }
    guard !content.isEmpty else { return "" }
    let name = title.lowercased().replacing(" ", with: "-")
    return """
      <section id="\(escaped(name))">
      <h2>\(escaped(title))</h2>
      \(content.joined(separator: "\n"))
      </section>
      """
  }

  static func paragraph(_ text: String) -> String { "<p>\(escaped(text))</p>" }

  /// Returns a collapsed part of the page.
  static func details(_ summary: String, _ content: String) -> String {
    "<details><summary>\(escaped(summary))</summary>\n\(content)\n</details>"
  }
}

/// Holds a cell of a table.
enum Cell {
  case text(String)
  /// A number, exact and as displayed.
  case number(Double, String)
  /// A run's name with its colour.
  case named(String, color: Int)
  case code(String)
  case empty

  /// Returns a number with `digits` decimals; an empty cell for nil.
  static func number(_ value: Double?, digits: Int, unit: String = "", scale: Double = 1) -> Cell {
    guard let value else { return .empty }
    return .number(value, String(format: "%.\(digits)f", value * scale) + unit)
  }

  static func count(_ value: Int?) -> Cell {
    value.map { .number(Double($0), "\($0)") } ?? .empty
  }

  static func short(_ value: Double?) -> Cell {
    value.map { .number($0, formatShort($0)) } ?? .empty
  }

  /// Returns a duration in seconds, without a unit.
  static func duration(_ value: Double?) -> Cell {
    value.map { $0 < 1 ? .short($0) : .number($0, digits: 2) } ?? .empty
  }

  static func seconds(_ value: Double?) -> Cell {
    value.map { .number($0, formatSeconds($0)) } ?? .empty
  }

  fileprivate var isText: Bool {
    switch self {
    case .number, .empty: false
    case .text, .named, .code: true
    }
  }

  /// True if the text needs several lines.
  fileprivate var isLong: Bool {
    switch self {
    case .text(let text): text.count > 40
    case .code: true
    case .number, .named, .empty: false
    }
  }

  fileprivate var html: String {
    switch self {
    case .text(let text): HTML.escaped(text)
    case .number(let value, let text):
      "<data value=\"\(Self.exact(value))\">\(HTML.escaped(text))</data>"
    case .named(let name, let color):
      "<span class=\"run\"><i style=\"background:var(\(Color.series(color).variable))\"></i>"
        + "\(HTML.escaped(name))</span>"
    case .code(let text): "<code>\(HTML.escaped(text))</code>"
    case .empty: "–"
    }
  }

  /// Returns the fewest digits that represent the number exactly.
  private static func exact(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }
}

/// Creates a table that scrolls if it is wider than the page.
struct Table {
  let name: String
  let head: [String]
  let rows: [[Cell]]

  var html: String {
    guard !rows.isEmpty else { return "" }
    // Columns of text are left-aligned, headings included.
    let isText = head.indices.map { column in rows.contains { $0[column].isText } }
    func attributes(_ column: Int, isLong: Bool = false) -> String {
      let classes = (isText[column] ? ["text"] : []) + (isLong ? ["long"] : [])
      return classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\""
    }
    let heading = head.enumerated().map { column, name in
      "<th scope=\"col\"\(attributes(column))>\(HTML.escaped(name))</th>"
    }
    let lines = rows.map { row in
      let cells = row.enumerated().map { column, cell in
        column == 0
          ? "<th scope=\"row\"\(attributes(column))>\(cell.html)</th>"
          : "<td\(attributes(column, isLong: cell.isLong))>\(cell.html)</td>"
      }
      return "<tr>\(cells.joined())</tr>"
    }
    return """
      <div class="scroll" tabindex="0"><table data-name="\(HTML.escaped(name))">
      <thead><tr>\(heading.joined())</tr></thead>
      <tbody>
      \(lines.joined(separator: "\n"))
      </tbody></table></div>
      """
  }
}

/// Creates plots with one legend below; they are side by side if the page is wide enough.
struct Figure {
  let title: String
  var note = ""
  let plots: [String]
  let legend: [(sample: String, name: String)]
  /// The points' numbers as JSON.
  var points = ""

  /// Shows panels of a plot side by side.
  init(_ plot: LinePlot, panels: Range<Int>, title: String, note: String = "") {
    self.title = title
    self.note = note
    plots = panels.map { plot.element(ofPanel: $0) }
    legend = plot.series.map { ($0.sample, $0.name) }
  }

  init(
    title: String, note: String = "", plots: [String],
    legend: [(sample: String, name: String)] = []
  ) {
    self.title = title
    self.note = note
    self.plots = plots
    self.legend = legend
  }

  var html: String {
    let items = legend.map { "<li>\($0.sample)<span>\(HTML.escaped($0.name))</span></li>" }
    let list = items.isEmpty ? "" : "<ul class=\"legend\">\(items.joined())</ul>\n"
    let data =
      points.isEmpty ? "" : "<script type=\"application/json\">\(points)</script>\n"
    let explanation = note.isEmpty ? "" : " <span>\(HTML.escaped(note))</span>"
    return """
      <figure>
      <figcaption><b>\(HTML.escaped(title))</b>\(explanation)</figcaption>
      <div class="plots">\(plots.joined())</div>
      \(list)\(data)</figure>
      """
  }
}
