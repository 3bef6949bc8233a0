/// Named bars from left to right, one below the other, in groups.
package struct BarPlot {
  package struct Bar {
    let name: String
    /// From left to right.
    let parts: [Part]
    /// What lies between the smallest and the largest of several; a point where there is but one.
    let range: ClosedRange<Double>

    var value: Double { parts.reduce(0) { $0 + $1.value } }

    /// A bar in its group's colour.
    package init(name: String, value: Double, range: ClosedRange<Double>? = nil) {
      self.name = name
      parts = [Part(value: value, color: nil)]
      self.range = range ?? value...value
    }

    /// A bar of several values.
    package init(name: String, parts: [Part]) {
      self.name = name
      self.parts = parts
      let value = parts.reduce(0) { $0 + $1.value }
      range = value...value
    }
  }

  package struct Part {
    let value: Double
    /// None: the group's.
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

  /// - Parameter format: how values are named.
  package init(
    title: String, valueTitle: String, groups: [(name: String, bars: [Bar])],
    format: @escaping (Double) -> String
  ) {
    self.title = title
    self.valueTitle = valueTitle
    self.groups = groups
    self.format = format
  }

  /// Where a drawing has what.
  private struct Layout {
    var width = 800.0
    var top = 52.0
    var margin = 16.0
    /// Whether a bar's name stands above it: beside it there is no room.
    var namesAbove = false

    var rowHeight: Double { namesAbove ? 42 : 24 }
  }

  /// The drawing as a file's text.
  package var svg: String {
    var svg = SVG()
    let layout = Layout()
    svg.text(title, at: (layout.width / 2, 26), anchor: .middle, kind: .title)
    let height = draw(layout, on: &svg)
    return svg.document(width: layout.width, height: height)
  }

  /// The drawing as an element of a page, which has the title: as wide as a phone's screen.
  package var element: String {
    var svg = SVG(in: .page)
    let names = groups.flatMap(\.bars).map { SVG.width(of: $0.name) }.max() ?? 0
    let layout = Layout(width: 390, top: 8, margin: 8, namesAbove: names > 110)
    let height = draw(layout, on: &svg)
    return svg.document(
      width: layout.width, height: height, description: "\(title): \(valueTitle)")
  }

  /// Returns the drawing's height.
  private func draw(_ layout: Layout, on svg: inout SVG) -> Double {
    let bars = groups.flatMap(\.bars)
    let axis = Axis.linear(upTo: bars.map(\.range.upperBound).max() ?? 1)
    let names = bars.map { SVG.width(of: $0.name) }.max() ?? 0
    let left = layout.margin + (layout.namesAbove ? 0 : names + 8)
    // Behind the longest bar its value must fit.
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
      // The first one begins no further left than the bars.
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
      // No line shows through.
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
  /// A piece of it, for a page's legend.
  package func sample(of name: String) -> String {
    var svg = SVG(in: .page)
    svg.rectangle(
      x: 1, y: 1, width: 12, height: 10, color: .series(color ?? 0), opacity: opacity)
    return svg.document(width: 14, height: 12, description: "colour of \(name)")
  }
}
