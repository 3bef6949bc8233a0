import Formats
import Foundation
import Plots
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct PlotTests {
  /// Reads the elements and texts of a drawing, like a browser.
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

  @Test("drawings are XML with titles, axes and legend") func drawings() throws {
    let plot = try Reader(lines([(1, 0.08), (2, 0.05), (4, 0.011)]).svg)
    #expect(plot.texts.contains("a < b & \"c\" > d"))
    for text in ["time", "efficiency", "ranks", "measured", "predicted", "1", "2", "4"] {
      #expect(plot.texts.contains(text), "\(text)")
    }
    #expect(plot.texts.contains("10 ms") && plot.texts.contains("100 ms"))
    // Markers of the measured points in both panels, and one in the legend.
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
    // The drawing's background, and a bar.
    #expect(bars.elements.filter { $0.name == "rect" }.count == 2)
  }

  /// The numbers are equal, single, tiny or far apart: everything stays within the drawing.
  @Test(
    "points lie within their panels",
    arguments: [
      [(1.0, 0.5)], [(1, 0.5), (2, 0.5)], [(1, 1e-9), (4096, 1e3)],
      (0...12).map { (Double(1 << $0), 1 / Double(1 << $0)) }, [(3, 0.1), (5, 0.2), (6, 0.3)],
    ])
  func pointPlacement(points: [(Double, Double)]) throws {
    let plot = try Reader(lines(points.map { (x: $0.0, y: $0.1) }).svg)
    // Computed points without measured ones have a smaller circle.
    let circles = plot.elements.filter { $0.name == "circle" && $0.attributes["r"] == "3.5" }
    for (index, circle) in circles.dropLast().enumerated() {
      let (x, y) = (Double(circle.attributes["cx"]!)!, Double(circle.attributes["cy"]!)!)
      let panel = index < points.count ? 66.0...384 : 466...784
      #expect(panel.contains(x) && (70...370).contains(y), "(\(x), \(y))")
    }
    #expect(circles.count == 2 * points.count + 1)
  }

  /// Tick labels do not overlap.
  @Test("ticks without room have no label") func tickSpacing() throws {
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

  @Test("axes begin and end at round numbers") func roundAxes() {
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

  /// A tick's label has the digits that distinguish it from the next.
  @Test("every tick has a distinct label") func distinctLabels() {
    func names(_ values: [Double]) -> [String] {
      let axis = Axis.linear(around: values)
      return axis.ticks.map(axis.name(of:))
    }
    #expect(
      names([91.851, 91.942]) == ["91.84", "91.86", "91.88", "91.90", "91.92", "91.94", "91.96"])
    #expect(names([0, 700_000]) == ["0", "200000", "400000", "600000", "800000"])
    #expect(names([-1, 1]) == ["-1.0", "-0.5", "0.0", "0.5", "1.0"])
    #expect(names([0, 5e9]) == ["0", "1e+09", "2e+09", "3e+09", "4e+09", "5e+09"])
    #expect(names([6e-4, 6e-4]) == ["0.0005", "0.0006", "0.0007"])
    #expect(Set(names([1e9, 1e9 + 40])).count > 4)
    #expect(Axis.suitableScale(for: [0.1, 2]) == .linear)
    #expect(Axis.suitableScale(for: [0.1, 4, .nan]) == .logarithmic)
    #expect(Axis.suitableScale(for: [0, 1e-3, 4]) == .linear)
    let wide = Axis.logarithmic(around: [3e-12, 40])
    #expect(wide.limits == 2e-12...50 && wide.ticks.count <= 8)
    #expect(!wide.hasPlace(for: 0) && !wide.hasPlace(for: .nan) && wide.hasPlace(for: 1))
  }

  /// A drawing in a page has the page's colours, no background, and gaps for missing numbers.
  @Test("elements of a page have its colours") func pageElements() throws {
    let plot = LinePlot(
      title: "loss", xTitle: "step", places: .linear,
      panels: [.init(title: "training loss", scale: .logarithmic)],
      series: [
        .init(
          name: "a", color: 0, look: .line,
          points: [[(1, 1), (2, 2), (3, .nan), (4, 3), (5, 0), (6, 1), (7, 2)]])
      ])
    let element = plot.element(ofPanel: 0)
    let drawing = try Reader(element)
    #expect(!element.contains("#") && !drawing.elements.contains { $0.name == "rect" })
    let lines = drawing.elements.filter {
      $0.name == "polyline" && $0.attributes["stroke"] == "var(--series-0)"
    }
    #expect(lines.map { $0.attributes["points"]!.split(separator: " ").count } == [2, 2])
    // The point between a missing number and one outside the scale.
    #expect(drawing.elements.filter { $0.name == "circle" }.count == 1)
    for text in ["training loss", "step"] { #expect(drawing.texts.contains(text)) }
    for isDark in [false, true] {
      let variables = Color.variables(isDark: isDark)
      #expect(Set(variables.matches(of: /#[0-9A-F]{6}/).map { $0.0 }).count == 10)
    }
  }

  @Test("bars have parts side by side") func barParts() throws {
    let plot = BarPlot(
      title: "phases", valueTitle: "time",
      groups: [
        ("", [.init(name: "run", parts: [.init(value: 1, color: 0), .init(value: 2, color: 1)])])
      ], format: formatSeconds)
    let drawing = try Reader(plot.element)
    let parts = drawing.elements.filter { $0.name == "rect" }.map { part in
      (Double(part.attributes["x"]!)!, Double(part.attributes["width"]!)!)
    }
    #expect(parts.count == 2)
    #expect(
      abs(parts[1].1 - 2 * parts[0].1) < 0.2 && abs(parts[0].0 + parts[0].1 - parts[1].0) < 0.2)
    #expect(drawing.texts.contains("3 s"))
  }

  /// Thinning keeps the points that a drawing can show.
  @Test("thinning keeps extremes") func thinning() {
    let count = 10_000
    let x = (0..<count).map(Double.init)
    var y = x.map { sin($0) }
    (y[1234], y[8888], y[5000], y[5001]) = (7, -7, .nan, .infinity)
    let kept = thinned(x: x, y: y, columns: 50)
    #expect(kept.count <= 4 * 50 + 5 && kept.first == 0 && kept.last == count - 1)
    #expect(zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 })
    #expect(kept.contains(1234) && kept.contains(8888) && kept.contains(5000))
    for column in 0..<50 {
      let inside = (column * count / 50..<(column + 1) * count / 50).filter { y[$0].isFinite }
      let shown = kept.filter { $0 >= inside.first! && $0 <= inside.last! && y[$0].isFinite }
      #expect(shown.map { y[$0] }.max() == inside.map { y[$0] }.max())
      #expect(shown.map { y[$0] }.min() == inside.map { y[$0] }.min())
    }
    #expect(thinned(x: [1, 2, 3], y: [1, 2, 3], columns: 1) == [0, 1, 2])
    #expect(thinned(x: [1, 1, 1, 1, 1], y: [1, 2, 3, 4, 5], columns: 1).count == 5)
    #expect(thinned(x: [], y: [], columns: 1) == [])
  }

  /// Compares with means computed one by one; a huge number leaves no error behind.
  @Test("smoothed numbers are means", arguments: [1, 2, 3, 10, 11, 51, 200])
  func smoothing(width: Int) {
    var values = (0..<100).map { cos(Double($0)) + 2 }
    (values[20], values[21], values[40]) = (.nan, .infinity, 1e30)
    let means = smoothed(values, width: width)
    for index in values.indices {
      let range = max(0, index - width / 2)...min(99, index + width / 2)
      let near = values[range].filter(\.isFinite)
      guard values[index].isFinite else {
        #expect(means[index].isNaN)
        continue
      }
      let mean = near.reduce(0, +) / Double(near.count)
      // Rounding of up to 200 additions.
      #expect(abs(means[index] - mean) <= 1e-13 * mean, "\(index)")
    }
    #expect(smoothed([], width: width) == [] && smoothed([5], width: width) == [5])
  }

  @Test(
    "times have a suitable unit",
    arguments: [
      (0.0, "0"), (3.2e-7, "320 ns"), (0.0999999, "100 ms"), (0.9999, "1 s"), (12, "12 s"),
      (4.5e-5, "45 µs"),
    ])
  func secondsFormat(seconds: Double, text: String) {
    #expect(formatSeconds(seconds) == text)
  }
}
