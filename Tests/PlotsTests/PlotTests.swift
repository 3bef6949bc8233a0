import Foundation
import Plots
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct PlotTests {
  /// Reads a drawing as a browser does: elements, and the texts in them.
  private final class Reader: NSObject, XMLParserDelegate {
    var elements: [(name: String, attributes: [String: String])] = []
    var texts: [String] = []
    private var isText = false

    func parser(
      _ parser: XMLParser, didStartElement element: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) {
      elements.append((element, attributes))
      isText = element == "text"
      if isText { texts.append("") }
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
      if isText { texts[texts.count - 1] += text }
    }

    func parser(
      _ parser: XMLParser, didEndElement element: String, namespaceURI: String?,
      qualifiedName: String?
    ) {
      isText = false
    }

    init(_ svg: String) throws {
      super.init()
      let parser = XMLParser(data: Data(svg.utf8))
      parser.delegate = self
      try #require(parser.parse(), "\(String(describing: parser.parserError))")
    }
  }

  private func lines(_ points: [(x: Double, y: Double)]) -> LinePlot {
    LinePlot(
      title: "a < b & \"c\" > d", xTitle: "ranks",
      panels: [
        .init(title: "time", scale: .logarithmic, format: formatSeconds),
        .init(title: "efficiency", scale: .linear, format: formatShort),
      ],
      series: [
        .init(
          name: "measured", color: 0, look: .measured,
          points: [points, points.map { ($0.x, 1 / $0.x) }]),
        .init(name: "predicted", color: 0, look: .computed, points: [points, []]),
      ])
  }

  @Test func drawingsAreXMLAndSayWhatTheyShow() throws {
    let plot = try Reader(lines([(1, 0.08), (2, 0.05), (4, 0.011)]).svg)
    #expect(plot.texts.contains("a < b & \"c\" > d"))
    for text in ["time", "efficiency", "ranks", "measured", "predicted", "1", "2", "4"] {
      #expect(plot.texts.contains(text), "\(text)")
    }
    #expect(plot.texts.contains("10 ms") && plot.texts.contains("100 ms"))
    // Marks of the measured points, in both panels, and one in the legend.
    #expect(plot.elements.filter { $0.name == "circle" }.count == 7)
    #expect(plot.elements[0].name == "svg" && plot.elements[0].attributes["width"] == "800")

    let bars = try Reader(
      BarPlot(
        title: "phases", valueTitle: "time",
        groups: [("one", [.init(name: "<&>", value: 0.5, range: 0.25...0.5)])],
        format: formatSeconds
      ).svg)
    for text in ["phases", "time", "one", "<&>", "500 ms", "0"] {
      #expect(bars.texts.contains(text), "\(text)")
    }
    // The drawing's ground, and a bar.
    #expect(bars.elements.filter { $0.name == "rect" }.count == 2)
  }

  /// Numbers that are equal, single, tiny or far apart: everything stays within the drawing.
  @Test(arguments: [
    [(1.0, 0.5)], [(1, 0.5), (2, 0.5)], [(1, 1e-9), (4096, 1e3)],
    (0...12).map { (Double(1 << $0), 1 / Double(1 << $0)) }, [(3, 0.1), (5, 0.2), (6, 0.3)],
  ])
  func pointsLieWithinTheirPanels(points: [(Double, Double)]) throws {
    let plot = try Reader(lines(points.map { (x: $0.0, y: $0.1) }).svg)
    let circles = plot.elements.filter { $0.name == "circle" }
    for (index, circle) in circles.dropLast().enumerated() {
      let (x, y) = (Double(circle.attributes["cx"]!)!, Double(circle.attributes["cy"]!)!)
      let panel = index < points.count ? 66.0...384 : 466...784
      #expect(panel.contains(x) && (70...370).contains(y), "(\(x), \(y))")
    }
    #expect(circles.count == 2 * points.count + 1)
  }

  /// Names of ticks do not run into one another.
  @Test func ticksThatDoNotFitAreNotNamed() throws {
    let points = (0...12).map { (x: Double(1 << $0), y: 1.0) } + [(x: 4000, y: 1)]
    let plot = try Reader(lines(points).svg)
    let ticks = zip(plot.elements.filter { $0.name == "text" }, plot.texts).filter {
      $0.0.attributes["y"] == "390" && Double($0.0.attributes["x"]!)! < 400
    }
    let places = ticks.map { (Double($0.0.attributes["x"]!)!, Double($0.1.count) * 7.2) }
      .sorted { $0.0 < $1.0 }
    for (left, right) in zip(places, places.dropFirst()) {
      #expect(left.0 + left.1 / 2 < right.0 - right.1 / 2)
    }
    #expect(ticks.map(\.1).contains("4096") && !ticks.map(\.1).contains("4000"))
  }

  @Test func axesBeginAndEndAtRoundNumbers() {
    #expect(Axis.linear(upTo: 0.93).ticks.last! == 1)
    #expect(Axis.linear(upTo: 82).limits == 0...100)
    #expect(Axis.logarithmic(around: [0.011, 0.08]).limits == 0.01...0.1)
    #expect(Axis.linear(around: [32.25, 93.97]).limits == 20...100)
    #expect(Axis.linear(around: [0.25, 0.75]).limits == 0.2...0.8)
    #expect(Axis.linear(around: [93.97]).ticks.count == 2)
    #expect(Axis.linear(around: []).limits == 0...1)
    let axis = Axis.logarithmic(around: [1e-6, 2])
    #expect(
      axis.ticks.count == 7 && axis.limits.upperBound == 2
        && axis.place(of: axis.limits.upperBound) == 1)
  }

  @Test(arguments: [
    (0.0, "0"), (3.2e-7, "320 ns"), (0.0999999, "100 ms"), (0.9999, "1 s"), (12, "12 s"),
    (4.5e-5, "45 µs"),
  ])
  func secondsHaveTheUnitThatSuitsThem(seconds: Double, text: String) {
    #expect(formatSeconds(seconds) == text)
  }
}
