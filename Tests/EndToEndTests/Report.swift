import Foundation
import Support
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// A page of `swift-mfac-report`; parses its tables, numbers and drawings.
struct Report {
  static let program = Program.report

  let text: String

  /// Writes a report on the inputs and reads its page.
  init(on inputs: [String], _ arguments: [String] = [], in directory: TemporaryDirectory) throws {
    let page = directory.path("page-\(UUID().uuidString).html")
    let outcome = try Self.run(inputs + ["--output", page] + arguments)
    try #require(outcome.status == 0, "\(outcome.errors)")
    text = try String(contentsOfFile: page, encoding: .utf8)
  }

  static func run(_ arguments: [String]) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: nil, program: program, arguments))
  }

  struct Table {
    let head: [String]
    let rows: [[(text: String, value: Double?)]]

    func column(_ name: String) throws -> [(text: String, value: Double?)] {
      let index = try #require(head.firstIndex(of: name), "no column \(name) in \(head)")
      return rows.map { $0[index] }
    }

    func values(_ name: String) throws -> [Double?] { try column(name).map(\.value) }
  }

  func table(_ name: String) throws -> Table {
    let start = try #require(text.range(of: "<table data-name=\"\(name)\">"), "no table \(name)")
    let end = try #require(text.range(of: "</table>", range: start.upperBound..<text.endIndex))
    let table = text[start.upperBound..<end.lowerBound]
    func cells(_ row: Substring) -> [(text: String, value: Double?)] {
      row.matches(of: /<t[hd][^>]*>(.*?)<\/t[hd]>/).map { match in
        let value = match.1.firstMatch(of: /<data value="([^"]*)">/).flatMap { Double($0.1) }
        return (String(match.1.replacing(/<[^>]*>/, with: "")), value)
      }
    }
    let rows = table.matches(of: /<tr>(.*?)<\/tr>/).map { cells($0.1) }
    return Table(head: rows[0].map(\.text), rows: Array(rows.dropFirst()))
  }

  /// The numbers below a figure's plots.
  struct Points: Decodable {
    struct Line: Decodable {
      let run: String
      let kind: String
      let step: [Double]
      let seconds: [Double]
      let value: [Double?]
    }
    let figure: String
    let lines: [Line]
  }

  func points(_ figure: String) throws -> Points {
    let all = try text.matches(
      of: /<script type="application\/json">(.*?)<\/script>/.dotMatchesNewlines()
    )
    .map { try JSONDecoder().decode(Points.self, from: Data($0.1.utf8)) }
    return try #require(all.first { $0.figure == figure }, "no \(figure) in \(all.map(\.figure))")
  }

  /// Returns the drawings of a figure, each as elements with attributes and text.
  func drawings(_ figure: String) throws -> [[Element]] {
    let start = try #require(text.range(of: "<figcaption><b>\(figure)</b>"), "no \(figure)")
    let end = try #require(text.range(of: "</figure>", range: start.upperBound..<text.endIndex))
    let body = text[start.upperBound..<end.lowerBound]
    let plots = try #require(
      body.firstMatch(of: /<div class="plots">(.*?)<\/div>/.dotMatchesNewlines()))
    return plots.1.matches(of: /<svg.*?<\/svg>/.dotMatchesNewlines()).map { drawing in
      let reader = ElementReader()
      let parser = XMLParser(data: Data(drawing.0.utf8))
      parser.delegate = reader
      #expect(parser.parse())
      return reader.elements
    }
  }

  struct Element {
    let name: String
    let attributes: [String: String]
    var text = ""

    func number(_ attribute: String) -> Double { Double(attributes[attribute]!)! }

    /// The points of a line.
    var places: [(x: Double, y: Double)] {
      attributes["points"]!.split(separator: " ").map { place in
        let numbers = place.split(separator: ",").map { Double($0)! }
        return (numbers[0], numbers[1])
      }
    }
  }

  private final class ElementReader: NSObject, XMLParserDelegate {
    var elements: [Element] = []

    func parser(
      _ parser: XMLParser, didStartElement element: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) {
      elements.append(Element(name: element, attributes: attributes))
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
      let text = text.trimmingCharacters(in: .newlines)
      if !elements.isEmpty { elements[elements.count - 1].text += text }
    }
  }
}

/// A run's directory with numbers set by a test.
struct WrittenRun {
  struct Step {
    var loss: Double?
    var seconds = 0.001
    /// Further keys of the line, as JSON.
    var more = ""
  }

  static func write(
    _ name: String, in directory: TemporaryDirectory,
    settings: String = "optimizer: mfac\nseed: 0\n",
    steps: [Step], evaluations: [(step: Int, line: String)] = [], environment: String? = nil
  ) throws -> String {
    let path = directory.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    var lines: [String] = []
    for (index, step) in steps.enumerated() {
      lines.append(
        "{\"step\":\(index + 1),\"epoch\":1,\"loss\":\(step.loss.map { "\($0)" } ?? "null"),"
          + "\"gradient_norm\":1,\"learning_rate\":0.1,\"skipped\":false,\(step.more)"
          + "\"seconds\":{\"gradient\":\(step.seconds)}}")
      lines += evaluations.filter { $0.step == index + 1 }.map {
        "{\"step\":\($0.step),\"epoch\":1,\($0.line)}"
      }
    }
    _ = try directory.write(
      lines.map { $0 + "\n" }.joined(), to: "\(name)/metrics.jsonl")
    _ = try directory.write(
      "# OpenBLAS core type Haswell, 3 ranks\n\(settings)", to: "\(name)/config.yaml")
    if let environment { _ = try directory.write(environment, to: "\(name)/environment.jsonl") }
    return path
  }
}
