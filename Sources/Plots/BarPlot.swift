/// Named bars from left to right, one below the other, in groups.
package struct BarPlot {
  package struct Bar {
    let name: String
    let value: Double
    /// What lies between the smallest and the largest of several; a point where there is but one.
    let range: ClosedRange<Double>

    package init(name: String, value: Double, range: ClosedRange<Double>? = nil) {
      self.name = name
      self.value = value
      self.range = range ?? value...value
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

  private static let (width, rowHeight, top) = (800.0, 24.0, 52.0)

  /// The drawing as a file's text.
  package var svg: String {
    var svg = SVG()
    let bars = groups.flatMap(\.bars)
    let axis = Axis.linear(upTo: bars.map(\.range.upperBound).max() ?? 1)
    let left = 24 + (bars.map { SVG.width(of: $0.name) }.max() ?? 0)
    // Behind the longest bar its value must fit.
    let right = Self.width - 24 - (bars.map { SVG.width(of: format($0.value)) }.max() ?? 0)
    func x(_ value: Double) -> Double { left + axis.place(of: value) * (right - left) }
    let named = groups.filter { !$0.name.isEmpty }.count
    let bottom = Self.top + Self.rowHeight * Double(bars.count + named) + 8

    svg.text(title, at: (Self.width / 2, 26), anchor: .middle, isTitle: true)
    for tick in axis.ticks {
      svg.line(from: (x(tick), Self.top), to: (x(tick), bottom), .init(color: Palette.grid))
      svg.text(format(tick), at: (x(tick), bottom + 18), anchor: .middle)
    }
    svg.text(valueTitle, at: ((left + right) / 2, bottom + 40), anchor: .middle)
    var y = Self.top + 4
    for (index, group) in groups.enumerated() {
      if !group.name.isEmpty {
        svg.text(group.name, at: (left + 6, y + 16))
        y += Self.rowHeight
      }
      for bar in group.bars {
        draw(bar, color: Palette.series[index % Palette.series.count], y: y, x: x, on: &svg)
        y += Self.rowHeight
      }
    }
    svg.line(from: (left, Self.top), to: (left, bottom), .init(color: Palette.axis))
    return svg.document(width: Self.width, height: bottom + 54)
  }

  private func draw(
    _ bar: Bar, color: String, y: Double, x: (Double) -> Double, on svg: inout SVG
  ) {
    let middle = y + Self.rowHeight / 2
    svg.text(bar.name, at: (x(0) - 8, middle + 4), anchor: .end)
    svg.rectangle(
      x: x(0), y: y + 4, width: x(bar.value) - x(0), height: Self.rowHeight - 8, color: color)
    let (low, high) = (x(bar.range.lowerBound), x(bar.range.upperBound))
    if high - low > 1 {
      let stroke = SVG.Stroke(color: Palette.text, width: 1.5)
      svg.line(from: (low, middle), to: (high, middle), stroke)
      for end in [low, high] { svg.line(from: (end, middle - 4), to: (end, middle + 4), stroke) }
    }
    svg.text(format(bar.value), at: (max(high, x(bar.value)) + 8, middle + 4))
  }
}
