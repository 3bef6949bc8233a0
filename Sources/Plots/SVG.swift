import Foundation

/// Collects shapes and text of a drawing, in pixels from the upper left corner.
package struct SVG {
  package enum Anchor: String { case start, middle, end }

  /// Selects where a drawing appears, which decides where its colours are defined.
  package enum Place {
    /// A file, with colours on white.
    case file
    /// A page, whose style sheet defines the colours (`Color.variable`).
    case page
  }

  package enum TextKind { case name, title, axisTitle }

  /// Defines the look of a line.
  package struct Stroke {
    var color: Color
    var width = 1.0
    /// Lengths of dashes and gaps; empty for a solid line.
    var dashes = ""
    var opacity = 1.0
  }

  static let fontSize = 12.0
  private let place: Place
  private var elements: [String] = []

  package init(in place: Place = .file) { self.place = place }

  package mutating func line(
    from start: (x: Double, y: Double), to end: (x: Double, y: Double), _ stroke: Stroke
  ) {
    polyline([start, end], stroke)
  }

  package mutating func polyline(_ points: [(x: Double, y: Double)], _ stroke: Stroke) {
    let places = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }
    let dashes = stroke.dashes.isEmpty ? "" : " stroke-dasharray=\"\(stroke.dashes)\""
    let opacity = stroke.opacity == 1 ? "" : " stroke-opacity=\"\(stroke.opacity)\""
    elements.append(
      """
      <polyline points="\(places.joined(separator: " "))" fill="none" \
      stroke="\(stroke.color.text(in: place))" \
      stroke-width="\(Self.number(stroke.width))"\(dashes)\(opacity)/>
      """)
  }

  package mutating func circle(at center: (x: Double, y: Double), radius: Double, color: Color) {
    elements.append(
      """
      <circle cx="\(Self.number(center.x))" cy="\(Self.number(center.y))" \
      r="\(Self.number(radius))" fill="\(color.text(in: place))"/>
      """)
  }

  package mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, color: Color,
    opacity: Double = 1
  ) {
    let opacity = opacity == 1 ? "" : " fill-opacity=\"\(opacity)\""
    elements.append(
      """
      <rect x="\(Self.number(x))" y="\(Self.number(y))" width="\(Self.number(width))" \
      height="\(Self.number(height))" fill="\(color.text(in: place))"\(opacity)/>
      """)
  }

  package mutating func text(
    _ text: String, at place: (x: Double, y: Double), anchor: Anchor = .start,
    kind: TextKind = .name
  ) {
    let (x, y) = (Self.number(place.x), Self.number(place.y))
    let style =
      switch kind {
      case .name: ""
      case .title: " font-size=\"14\" font-weight=\"bold\""
      case .axisTitle: " class=\"axis-title\""
      }
    elements.append(
      """
      <text x="\(x)" y="\(y)" text-anchor="\(anchor.rawValue)" \
      fill="\(Color.text.text(in: self.place))"\(style)>\
      \(Self.escaped(text))</text>
      """)
  }

  /// Estimates the width of a text, to keep texts from overlapping.
  static func width(of text: String) -> Double { 0.6 * fontSize * Double(text.count) }

  /// Returns the file, or the element of a page.
  ///
  /// - Parameter description: a text alternative to the drawing.
  package func document(width: Double, height: Double, description: String = "") -> String {
    let (width, height) = (Self.number(width), Self.number(height))
    let box = "viewBox=\"0 0 \(width) \(height)\" font-size=\"\(Self.number(Self.fontSize))\""
    let drawing = elements.joined(separator: "\n")
    return switch place {
    case .file:
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      \(box) font-family="Helvetica, Arial, DejaVu Sans, sans-serif">
      <rect width="100%" height="100%" fill="\(Color.ground.text(in: place))"/>
      \(drawing)
      </svg>

      """
    case .page:
      """
      <svg \(box) role="img" aria-label="\(Self.escaped(description))">
      \(drawing)
      </svg>

      """
    }
  }

  /// Formats a coordinate to a tenth of a pixel, and clamps points far outside the drawing.
  private static func number(_ value: Double) -> String {
    let value = value.isNaN ? 0 : min(max(value, -1e5), 1e5)
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
  }

  /// Escapes text for content and attribute values in XML and HTML.
  package static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      // XML cannot express other control characters.
      case "\t", "\n": escaped.unicodeScalars.append(scalar)
      case _ where scalar.properties.generalCategory == .control: escaped += "\u{FFFD}"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
