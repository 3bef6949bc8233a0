import Foundation

/// A drawing as it is put together: shapes and text, in pixels from the upper left corner.
package struct SVG {
  package enum Anchor: String { case start, middle, end }

  /// An element's look.
  package struct Stroke {
    var color: String
    var width = 1.0
    /// Lengths of dashes and gaps; none where empty.
    var dashes = ""
  }

  static let fontSize = 12.0
  private var elements: [String] = []

  package init() {}

  package mutating func line(
    from start: (x: Double, y: Double), to end: (x: Double, y: Double), _ stroke: Stroke
  ) {
    polyline([start, end], stroke)
  }

  package mutating func polyline(_ points: [(x: Double, y: Double)], _ stroke: Stroke) {
    let places = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }
    let dashes = stroke.dashes.isEmpty ? "" : " stroke-dasharray=\"\(stroke.dashes)\""
    elements.append(
      """
      <polyline points="\(places.joined(separator: " "))" fill="none" stroke="\(stroke.color)" \
      stroke-width="\(Self.number(stroke.width))"\(dashes)/>
      """)
  }

  package mutating func circle(at center: (x: Double, y: Double), radius: Double, color: String) {
    elements.append(
      """
      <circle cx="\(Self.number(center.x))" cy="\(Self.number(center.y))" \
      r="\(Self.number(radius))" fill="\(color)"/>
      """)
  }

  package mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, color: String
  ) {
    elements.append(
      """
      <rect x="\(Self.number(x))" y="\(Self.number(y))" width="\(Self.number(width))" \
      height="\(Self.number(height))" fill="\(color)"/>
      """)
  }

  /// - Parameter rotated: by 90° against the clock, around its place.
  package mutating func text(
    _ text: String, at place: (x: Double, y: Double), anchor: Anchor = .start,
    color: String = Palette.text, isTitle: Bool = false, rotated: Bool = false
  ) {
    let (x, y) = (Self.number(place.x), Self.number(place.y))
    let turn = rotated ? " transform=\"rotate(-90 \(x) \(y))\"" : ""
    let style = isTitle ? " font-size=\"14\" font-weight=\"bold\"" : ""
    elements.append(
      """
      <text x="\(x)" y="\(y)" text-anchor="\(anchor.rawValue)" fill="\(color)"\(style)\(turn)>\
      \(Self.escaped(text))</text>
      """)
  }

  /// The width of a text, about: for places that must not overlap.
  static func width(of text: String) -> Double { 0.6 * fontSize * Double(text.count) }

  /// The file.
  package func document(width: Double, height: Double) -> String {
    let (width, height) = (Self.number(width), Self.number(height))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" font-family="Helvetica, Arial, DejaVu Sans, sans-serif" \
      font-size="\(Self.number(Self.fontSize))">
      <rect width="100%" height="100%" fill="white"/>
      \(elements.joined(separator: "\n"))
      </svg>

      """
  }

  /// A tenth of a pixel is enough.
  private static func number(_ value: Double) -> String {
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}

/// Colours that can be told apart, also by the colour-blind (Okabe and Ito, 2008).
package enum Palette {
  static let series = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
  package static let text = "#222222"
  static let axis = "#666666"
  static let grid = "#E4E4E4"
}
