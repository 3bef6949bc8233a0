/// Draws named horizontal bars in groups, one below the other.
package struct BarPlot {
  package struct Bar {
    let name: String
    /// The parts from left to right.
    let parts: [Part]
    /// Smallest to largest of several measurements; a single value for one.
    let range: ClosedRange<Double>

    var value: Double { parts.reduce(0) { $0 + $1.value } }

    /// Creates a bar in its group's colour.
    package init(name: String, value: Double, range: ClosedRange<Double>? = nil) {
      self.name = name
      parts = [Part(value: value, color: nil)]
      self.range = range ?? value...value
    }

    /// Creates a stacked bar of several values.
    package init(name: String, parts: [Part]) {
      self.name = name
      self.parts = parts
      let value = parts.reduce(0) { $0 + $1.value }
      range = value...value
    }
  }

  package struct Part {
    let value: Double
    /// The colour's index; nil for the group's colour.
    let color: Int?
    let opacity: Double

    package init(value: Double, color: Int?, opacity: Double = 1) {
      self.value = value
      self.color = color
      self.opacity = opacity
    }
  }

  private let title: String
  private let valueTitle: String
  private let groups: [(name: String, bars: [Bar])]
  private let format: (Double) -> String

  /// Creates a plot.
  ///
  /// - Parameter format: returns the label of a value.
  package init(
    title: String, valueTitle: String, groups: [(name: String, bars: [Bar])],
    format: @escaping (Double) -> String
  ) {
    self.title = title
    self.valueTitle = valueTitle
    self.groups = groups
    self.format = format
  }

  /// Holds the dimensions of a drawing in pixels.
  private struct Layout {
    var width = 800.0
    var top = 52.0
    var margin = 16.0
    /// True if names stand above the bars, because there is no room to their left.
    var namesAbove = false

    var rowHeight: Double { namesAbove ? 42 : 24 }
  }

  /// The drawing as the text of an SVG file.
  package var svg: String {
    var svg = SVG()
    let layout = Layout()
    svg.text(title, at: (layout.width / 2, 26), anchor: .middle, kind: .title)
    let height = draw(layout, on: &svg)
    return svg.document(width: layout.width, height: height)
  }

  /// The drawing as an SVG element of a page, as wide as a phone's screen. The page shows the
  /// title.
  package var element: String {
    var svg = SVG(in: .page)
    let names = groups.flatMap(\.bars).map { SVG.width(of: $0.name) }.max() ?? 0
    let layout = Layout(width: 390, top: 8, margin: 8, namesAbove: names > 110)
    let height = draw(layout, on: &svg)
    return svg.document(
      width: layout.width, height: height, description: "\(title): \(valueTitle)")
  }

  /// Draws the plot and returns its height.
  private func draw(_ layout: Layout, on svg: inout SVG) -> Double {
    let bars = groups.flatMap(\.bars)
    let axis = Axis.linear(upTo: bars.map(\.range.upperBound).max() ?? 1)
    let names = bars.map { SVG.width(of: $0.name) }.max() ?? 0
    let left = layout.margin + (layout.namesAbove ? 0 : names + 8)
    // The value's label must fit to the right of the longest bar.
    let right =
      layout.width - layout.margin - 8
      - (bars.map { SVG.width(of: format($0.value)) }.max() ?? 0)
    func x(_ value: Double) -> Double { left + axis.place(of: value) * (right - left) }
    let named = groups.filter { !$0.name.isEmpty }.count
    let bottom =
      layout.top + layout.rowHeight * Double(bars.count) + 24 * Double(named) + 8

    var free = -Double.infinity
    for tick in axis.ticks {
      svg.line(from: (x(tick), layout.top), to: (x(tick), bottom), .init(color: .grid))
      let (name, half) = (format(tick), SVG.width(of: format(tick)) / 2)
      guard x(tick) - half >= free else { continue }
      free = x(tick) + half + 8
      // The first label must not start to the left of the drawing.
      let isAtEdge = x(tick) - half < 0
      svg.text(
        name, at: (isAtEdge ? 0 : x(tick), bottom + 18), anchor: isAtEdge ? .start : .middle)
    }
    let half = SVG.width(of: valueTitle) / 2
    svg.text(
      valueTitle, at: (max(min((left + right) / 2, layout.width - half), half), bottom + 40),
      anchor: .middle, kind: .axisTitle)
    var y = layout.top + 4
    for (index, group) in groups.enumerated() {
      if !group.name.isEmpty {
        svg.text(group.name, at: (left + 6, y + 16))
        y += 24
      }
      for bar in group.bars {
        draw(bar, color: index, y: y, x: x, layout, on: &svg)
        y += layout.rowHeight
      }
    }
    svg.line(from: (left, layout.top), to: (left, bottom), .init(color: .axis))
    return bottom + 54
  }

  private func draw(
    _ bar: Bar, color: Int, y: Double, x: (Double) -> Double, _ layout: Layout, on svg: inout SVG
  ) {
    let middle = y + layout.rowHeight - 12
    if layout.namesAbove {
      svg.text(bar.name, at: (x(0) + 6, middle - 14))
    } else {
      svg.text(bar.name, at: (x(0) - 8, middle + 4), anchor: .end)
    }
    var start = 0.0
    for part in bar.parts {
      // Grid lines must not show through a transparent part.
      if part.opacity < 1 {
        svg.rectangle(
          x: x(start), y: middle - 8, width: x(start + part.value) - x(start), height: 16,
          color: .ground)
      }
      svg.rectangle(
        x: x(start), y: middle - 8, width: x(start + part.value) - x(start), height: 16,
        color: .series(part.color ?? color), opacity: part.opacity)
      start += part.value
    }
    let (low, high) = (x(bar.range.lowerBound), x(bar.range.upperBound))
    if high - low > 1 {
      let stroke = SVG.Stroke(color: .text, width: 1.5)
      svg.line(from: (low, middle), to: (high, middle), stroke)
      for end in [low, high] { svg.line(from: (end, middle - 4), to: (end, middle + 4), stroke) }
    }
    svg.text(format(bar.value), at: (max(high, x(bar.value)) + 8, middle + 4))
  }
}

extension BarPlot.Part {
  /// Returns an SVG sample of the colour for a page's legend.
  package func sample(of name: String) -> String {
    var svg = SVG(in: .page)
    svg.rectangle(
      x: 1, y: 1, width: 12, height: 10, color: .series(color ?? 0), opacity: opacity)
    return svg.document(width: 14, height: 12, description: "colour of \(name)")
  }
}
