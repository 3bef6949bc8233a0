/// What a colour is for; which one it is, the drawing's place says.
package enum Color: Hashable {
  case ground, text, axis, grid
  /// Of the series of that number, which begin anew after the last of `seriesCount`.
  case series(Int)

  /// Colours that can be told apart, also by the colour-blind (Okabe and Ito, 2008).
  private static let onWhite = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
  ]
  /// The same palette's on a dark ground, where its blue could not be seen, and its yellow can.
  private static let onDark = [
    "#56B4E9", "#F0793A", "#1FBF92", "#DE9CC0", "#E69F00", "#F0E442",
  ]
  package static var seriesCount: Int { onWhite.count }

  /// The variables of a page's style sheet that `SVG.Place.page` wants.
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
