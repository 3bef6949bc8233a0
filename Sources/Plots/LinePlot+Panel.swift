extension LinePlot {
  struct Frame {
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>

    func x(_ place: Double) -> Double { x.lowerBound + place * (x.upperBound - x.lowerBound) }
    /// Returns the vertical pixel position; `place` grows upwards.
    func y(_ place: Double) -> Double { y.upperBound - place * (y.upperBound - y.lowerBound) }
  }

  func axes(ofPanel index: Int) -> (x: Axis, y: Axis) {
    let panel = panels[index]
    let all = series.flatMap { $0.points.joined() }.map(\.x)
    let values = series.flatMap { $0.points[index] }.map(\.y)
    let x: Axis =
      switch places {
      case .named: .logarithmic(at: all)
      case .linear: .linear(upTo: all.filter { Axis.canPlace($0, on: .linear) }.max() ?? 1)
      }
    let y: Axis =
      switch panel.scale {
      case .linear where !panel.beginsAtZero: .linear(around: values)
      case .linear:
        .linear(
          upTo: (values + [panel.reference ?? 0]).filter { Axis.canPlace($0, on: .linear) }.max()!)
      case .logarithmic: .logarithmic(around: values)
      }
    return (x, y)
  }

  func name(of tick: Double, on axis: Axis, _ panel: Panel) -> String {
    panel.format?(tick) ?? axis.name(of: tick)
  }

  func draw(_ index: Int, in frame: Frame, on svg: inout SVG) {
    let panel = panels[index]
    let (xAxis, yAxis) = axes(ofPanel: index)
    svg.text(panel.title, at: (frame.x.lowerBound, frame.y.lowerBound - 14), kind: .axisTitle)
    for tick in yAxis.ticks {
      let y = frame.y(yAxis.place(of: tick))
      svg.line(from: (frame.x.lowerBound, y), to: (frame.x.upperBound, y), .init(color: .grid))
      svg.text(
        name(of: tick, on: yAxis, panel), at: (frame.x.lowerBound - 8, y + 4), anchor: .end)
    }
    if let reference = panel.reference {
      let y = frame.y(yAxis.place(of: reference))
      svg.line(from: (frame.x.lowerBound, y), to: (frame.x.upperBound, y), .init(color: .axis))
    }
    for tick in xAxis.ticks {
      let x = frame.x(xAxis.place(of: tick))
      svg.line(
        from: (x, frame.y.upperBound), to: (x, frame.y.upperBound + 5), .init(color: .axis))
    }
    for (x, name) in named(xAxis, in: frame) {
      svg.text(name, at: (x, frame.y.upperBound + 20), anchor: .middle)
    }
    svg.text(xTitle, at: (frame.x(0.5), frame.y.upperBound + 42), anchor: .middle, kind: .axisTitle)
    svg.polyline(
      [
        (frame.x.lowerBound, frame.y.lowerBound), (frame.x.lowerBound, frame.y.upperBound),
        (frame.x.upperBound, frame.y.upperBound),
      ], .init(color: .axis))
    // Drawing order: individual lines, computed ones, means, then measurements on top.
    for look in [Look.faint, .computed, .dotted, .line, .measured] {
      for series in series where series.look == look {
        draw(series, series.points[index], xAxis, yAxis, in: frame, on: &svg)
      }
    }
  }

  /// More marks than this would hide their line.
  private static let markCount = 40

  private func draw(
    _ series: Series, _ points: [(x: Double, y: Double)], _ xAxis: Axis, _ yAxis: Axis,
    in frame: Frame, on svg: inout SVG
  ) {
    let isMarked = series.look == .measured && points.count <= Self.markCount
    for piece in points.split(whereSeparator: {
      !xAxis.hasPlace(for: $0.x) || !yAxis.hasPlace(for: $0.y)
    }) {
      let places = piece.map { point in
        (x: frame.x(xAxis.place(of: point.x)), y: frame.y(yAxis.place(of: point.y)))
      }
      if places.count > 1 { svg.polyline(places, series.stroke) }
      // A single point between two gaps has no line, so it gets a mark.
      guard isMarked || places.count == 1 else { continue }
      for place in places {
        svg.circle(at: place, radius: isMarked ? 3.5 : 2, color: series.stroke.color)
      }
    }
  }

  /// Returns the ticks whose labels fit next to each other, from the last to the first.
  private func named(_ axis: Axis, in frame: Frame) -> [(x: Double, name: String)] {
    var free = Double.infinity
    var named: [(Double, String)] = []
    for tick in axis.ticks.reversed() {
      let name =
        switch places {
        case .named(let format): format(tick)
        case .linear: axis.name(of: tick)
        }
      let x = frame.x(axis.place(of: tick))
      let half = SVG.width(of: name) / 2
      guard x + half + 4 <= free else { continue }
      free = x - half
      named.append((x, name))
    }
    return named
  }
}
