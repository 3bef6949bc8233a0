import Formats

/// Lines over a common axis, in panels: side by side in a file with one legend below, or each a
/// drawing of its own in a page.
package struct LinePlot {
  /// How a series is drawn.
  package enum Look {
    /// With a mark at each point, where these are not too many.
    case measured
    /// Dashed: what was not measured at its points.
    case computed
    case line
    case dotted
    /// What other lines are the means of.
    case faint
  }

  package struct Series {
    package let name: String
    /// The same for what belongs together; none for what the others are held against.
    let color: Int?
    let look: Look
    /// One list of points for each panel; where y is not finite, the line has a gap.
    package let points: [[(x: Double, y: Double)]]

    package init(name: String, color: Int?, look: Look, points: [[(x: Double, y: Double)]]) {
      self.name = name
      self.color = color
      self.look = look
      self.points = points
    }
  }

  package struct Panel {
    let title: String
    let scale: Axis.Scale
    /// Whether a linear scale begins there, or near the smallest number.
    let beginsAtZero: Bool
    /// A number at which a line is drawn, to compare with.
    let reference: Double?
    /// In place of the digits that tell the axis's numbers apart.
    let format: ((Double) -> String)?

    package init(
      title: String, scale: Axis.Scale, beginsAtZero: Bool = true, reference: Double? = nil,
      format: ((Double) -> String)? = nil
    ) {
      self.title = title
      self.scale = scale
      self.beginsAtZero = beginsAtZero
      self.reference = reference
      self.format = format
    }
  }

  /// Along x, in all panels.
  package enum Places {
    /// Few, each with its name, on a logarithmic scale.
    case named((Double) -> String)
    /// Anywhere, on a linear scale from 0.
    case linear
  }

  package let title: String
  let xTitle: String
  let places: Places
  let panels: [Panel]
  package let series: [Series]

  package init(
    title: String, xTitle: String, places: Places = .named(formatShort), panels: [Panel],
    series: [Series]
  ) {
    self.title = title
    self.xTitle = xTitle
    self.places = places
    self.panels = panels
    self.series = series
  }

  private static let (width, panelHeight) = (800.0, 300.0)
  private static let (left, right, top) = (66.0, 16.0, 70.0)

  /// The drawing as a file's text.
  package var svg: String {
    var svg = SVG()
    svg.text(title, at: (Self.width / 2, 26), anchor: .middle, kind: .title)
    let panelWidth = Self.width / Double(panels.count)
    for index in panels.indices {
      let x = panelWidth * Double(index) + Self.left
      draw(
        index,
        in: Frame(
          x: x...panelWidth * Double(index + 1) - Self.right,
          y: Self.top...Self.top + Self.panelHeight), on: &svg)
    }
    let bottom = legend(from: Self.top + Self.panelHeight + 70, on: &svg)
    return svg.document(width: Self.width, height: bottom + 10)
  }

  /// A panel as an element of a page, which has the title and the legend: as wide as a phone's
  /// screen.
  package func element(ofPanel index: Int) -> String {
    var svg = SVG(in: .page)
    let (width, height) = (390.0, 240.0)
    let (_, y) = axes(ofPanel: index)
    let names = y.ticks.map { SVG.width(of: name(of: $0, on: y, panels[index])) }
    draw(
      index, in: Frame(x: 14 + (names.max() ?? 0)...width - 24, y: 30...height - 52), on: &svg)
    return svg.document(
      width: width, height: height, description: "\(title): \(panels[index].title) over \(xTitle)")
  }

  /// The series' names, in as many rows as they need; returns where these end.
  private func legend(from start: Double, on svg: inout SVG) -> Double {
    var (x, y) = (Self.left, start)
    for series in series {
      let width = 34 + SVG.width(of: series.name) + 18
      if x + width > Self.width, x > Self.left { (x, y) = (Self.left, y + 20) }
      series.drawSample(at: (x, y - 4), on: &svg)
      svg.text(series.name, at: (x + 34, y))
      x += width
    }
    return y
  }
}

extension LinePlot.Series {
  /// A piece of the line, for a page's legend.
  package var sample: String {
    var svg = SVG(in: .page)
    drawSample(at: (2, 6), on: &svg)
    return svg.document(width: 32, height: 12, description: "line of \(name)")
  }

  fileprivate func drawSample(at place: (x: Double, y: Double), on svg: inout SVG) {
    svg.line(from: place, to: (place.x + 28, place.y), stroke)
    if look == .measured {
      svg.circle(at: (place.x + 14, place.y), radius: 3.5, color: stroke.color)
    }
  }

  var stroke: SVG.Stroke {
    guard let color else { return SVG.Stroke(color: .axis, width: 1.5, dashes: "6 4") }
    // Where the colours begin anew, the lines differ.
    let cycles = ["", "2 3", "9 3", "9 3 2 3"]
    let dashes =
      switch look {
      case .computed: "6 4"
      case .dotted: "1.5 3"
      case .faint: ""
      case .measured, .line: cycles[color / Color.seriesCount % cycles.count]
      }
    let isFaint = look == .faint
    return SVG.Stroke(
      color: .series(color), width: isFaint ? 1 : 2, dashes: dashes, opacity: isFaint ? 0.3 : 1)
  }
}
