import Formats

/// Draws lines over a common axis, in panels. A file shows the panels side by side with one legend
/// below; a page has one drawing per panel.
package struct LinePlot {
  /// Selects the look of a series.
  package enum Look {
    /// Solid, with a mark at each point unless there are too many.
    case measured
    /// Dashed, for values that were not measured at their points.
    case computed
    case line
    case dotted
    /// Thin and transparent, for the individual lines of a mean.
    case faint
  }

  package struct Series {
    package let name: String
    /// The colour's index, shared by related series; nil for a reference.
    let color: Int?
    let look: Look
    /// One list of points for each panel; a y that is not finite leaves a gap in the line.
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
    /// True if a linear scale begins at 0; otherwise it begins near the smallest number.
    let beginsAtZero: Bool
    /// The y value of a reference line.
    let reference: Double?
    /// Returns the label of a tick; nil for the axis's own labels.
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

  /// Selects the x axis of all panels.
  package enum Places {
    /// A few labelled values on a logarithmic scale.
    case named((Double) -> String)
    /// Any values on a linear scale from 0.
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

  /// The drawing as the text of an SVG file.
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

  /// Returns a panel as an SVG element of a page, as wide as a phone's screen. The page shows the
  /// title and the legend.
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

  /// Draws the series' names in as many rows as needed, and returns the y position of the last row.
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
  /// A sample of the line for a page's legend.
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
    // Series that share a colour differ in their dashes.
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
