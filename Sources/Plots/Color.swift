/// Names the purpose of a colour; the drawing's place decides its value.
package enum Color: Hashable {
  case ground, text, axis, grid
  /// The colour of a series by its index; the palette repeats after `seriesCount` series.
  case series(Int)

  /// A palette that colour-blind readers can distinguish (Okabe and Ito, 2008).
  private static let onWhite = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
  ]
  /// The same palette for a dark ground: its dark blue would be invisible there, and its yellow is
  /// not.
  private static let onDark = [
    "#56B4E9", "#F0793A", "#1FBF92", "#DE9CC0", "#E69F00", "#F0E442",
  ]
  package static var seriesCount: Int { onWhite.count }

  /// Returns the definitions of the style-sheet variables for drawings in a page
  /// (`SVG.Place.page`).
  package static func variables(isDark: Bool) -> String {
    let all: [Color] = [.ground, .text, .axis, .grid] + (0..<seriesCount).map(Color.series)
    return all.map { "\($0.variable):\($0.value(isDark: isDark));" }.joined()
  }

  package var variable: String {
    switch self {
    case .ground: "--ground"
    case .text: "--text"
    case .axis: "--axis"
    case .grid: "--grid"
    case .series(let index): "--series-\(index % Self.seriesCount)"
    }
  }

  func text(in place: SVG.Place) -> String {
    switch place {
    case .file: value(isDark: false)
    case .page: "var(\(variable))"
    }
  }

  private func value(isDark: Bool) -> String {
    switch self {
    case .ground: isDark ? "#15181C" : "#FFFFFF"
    case .text: isDark ? "#E6E6E6" : "#222222"
    case .axis: isDark ? "#A0A0A0" : "#666666"
    case .grid: isDark ? "#3A3D42" : "#E4E4E4"
    case .series(let index): (isDark ? Self.onDark : Self.onWhite)[index % Self.seriesCount]
    }
  }
}
