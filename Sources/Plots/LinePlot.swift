/// Lines over a common logarithmic axis, in panels side by side, with one legend below.
package struct LinePlot {
  package struct Series {
    let name: String
    /// The same for what belongs together; none for what the others are held against.
    let color: Int?
    /// Dashed, without marks: what was not measured at its points.
    let isComputed: Bool
    /// One list of points for each panel.
    let points: [[(x: Double, y: Double)]]

    package init(name: String, color: Int?, isComputed: Bool, points: [[(x: Double, y: Double)]]) {
      self.name = name
      self.color = color
      self.isComputed = isComputed
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
    let format: (Double) -> String

    package init(
      title: String, scale: Axis.Scale, beginsAtZero: Bool = true, reference: Double? = nil,
      format: @escaping (Double) -> String
    ) {
      self.title = title
      self.scale = scale
      self.beginsAtZero = beginsAtZero
      self.reference = reference
      self.format = format
    }
  }

  private let title: String
  private let xTitle: String
  private let xFormat: (Double) -> String
  private let panels: [Panel]
  private let series: [Series]

  /// - Parameter xFormat: how the points' places are named.
  package init(
    title: String, xTitle: String, xFormat: @escaping (Double) -> String = formatShort,
    panels: [Panel], series: [Series]
  ) {
    self.title = title
    self.xTitle = xTitle
    self.xFormat = xFormat
    self.panels = panels
    self.series = series
  }

  private static let (width, panelHeight) = (800.0, 300.0)
  private static let (left, right, top) = (66.0, 16.0, 70.0)

  /// The drawing as a file's text.
  package var svg: String {
    var svg = SVG()
    svg.text(title, at: (Self.width / 2, 26), anchor: .middle, isTitle: true)
    let panelWidth = Self.width / Double(panels.count)
    for (index, panel) in panels.enumerated() {
      let x = panelWidth * Double(index) + Self.left
      draw(
        panel, index,
        in: Frame(
          x: x...panelWidth * Double(index + 1) - Self.right,
          y: Self.top...Self.top + Self.panelHeight), on: &svg)
    }
    let bottom = legend(from: Self.top + Self.panelHeight + 70, on: &svg)
    return svg.document(width: Self.width, height: bottom + 10)
  }

  private struct Frame {
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>

    func x(_ place: Double) -> Double { x.lowerBound + place * (x.upperBound - x.lowerBound) }
    /// Upwards.
    func y(_ place: Double) -> Double { y.upperBound - place * (y.upperBound - y.lowerBound) }
  }

  private func draw(_ panel: Panel, _ index: Int, in frame: Frame, on svg: inout SVG) {
    let points = series.flatMap { $0.points[index] }
    let xAxis = Axis.logarithmic(at: series.flatMap { $0.points.joined() }.map(\.x))
    let yAxis: Axis =
      switch panel.scale {
      case .linear where !panel.beginsAtZero: .linear(around: points.map(\.y))
      case .linear: .linear(upTo: max(points.map(\.y).max() ?? 1, panel.reference ?? 0))
      case .logarithmic: .logarithmic(around: points.map(\.y))
      }
    svg.text(panel.title, at: (frame.x.lowerBound, frame.y.lowerBound - 14))
    for tick in yAxis.ticks {
      let y = frame.y(yAxis.place(of: tick))
      svg.line(
        from: (frame.x.lowerBound, y), to: (frame.x.upperBound, y), .init(color: Palette.grid))
      svg.text(panel.format(tick), at: (frame.x.lowerBound - 8, y + 4), anchor: .end)
    }
    if let reference = panel.reference {
      let y = frame.y(yAxis.place(of: reference))
      svg.line(
        from: (frame.x.lowerBound, y), to: (frame.x.upperBound, y), .init(color: Palette.axis))
    }
    for tick in xAxis.ticks {
      let x = frame.x(xAxis.place(of: tick))
      svg.line(
        from: (x, frame.y.upperBound), to: (x, frame.y.upperBound + 5), .init(color: Palette.axis))
    }
    for (x, name) in named(xAxis, in: frame) {
      svg.text(name, at: (x, frame.y.upperBound + 20), anchor: .middle)
    }
    svg.text(
      xTitle, at: (frame.x(0.5), frame.y.upperBound + 42), anchor: .middle)
    svg.polyline(
      [
        (frame.x.lowerBound, frame.y.lowerBound), (frame.x.lowerBound, frame.y.upperBound),
        (frame.x.upperBound, frame.y.upperBound),
      ], .init(color: Palette.axis))
    // What was measured lies above what was computed.
    for series in series.filter(\.isComputed) + series.filter({ !$0.isComputed }) {
      let places = series.points[index].map { point in
        (x: frame.x(xAxis.place(of: point.x)), y: frame.y(yAxis.place(of: point.y)))
      }
      svg.polyline(places, series.stroke)
      guard !series.isComputed else { continue }
      for place in places { svg.circle(at: place, radius: 3.5, color: series.stroke.color) }
    }
  }

  /// The ticks whose names fit beside one another, from the last to the first.
  private func named(_ axis: Axis, in frame: Frame) -> [(x: Double, name: String)] {
    var free = Double.infinity
    var named: [(Double, String)] = []
    for tick in axis.ticks.reversed() {
      let (x, name) = (frame.x(axis.place(of: tick)), xFormat(tick))
      let half = SVG.width(of: name) / 2
      guard x + half + 4 <= free else { continue }
      free = x - half
      named.append((x, name))
    }
    return named
  }

  /// The series' names, in as many rows as they need; returns where these end.
  private func legend(from start: Double, on svg: inout SVG) -> Double {
    var (x, y) = (Self.left, start)
    for series in series {
      let width = 34 + SVG.width(of: series.name) + 18
      if x + width > Self.width, x > Self.left { (x, y) = (Self.left, y + 20) }
      svg.line(from: (x, y - 4), to: (x + 28, y - 4), series.stroke)
      if !series.isComputed {
        svg.circle(at: (x + 14, y - 4), radius: 3.5, color: series.stroke.color)
      }
      svg.text(series.name, at: (x + 34, y))
      x += width
    }
    return y
  }
}

extension LinePlot.Series {
  fileprivate var stroke: SVG.Stroke {
    guard let color else { return SVG.Stroke(color: Palette.axis, width: 1.5, dashes: "6 4") }
    // Where the colours begin anew, the lines differ.
    let dashes = isComputed ? "6 4" : color < Palette.series.count ? "" : "2 3"
    return SVG.Stroke(
      color: Palette.series[color % Palette.series.count], width: 2, dashes: dashes)
  }
}
