import Formats
import Foundation

/// Where numbers lie along a side of a plot.
package struct Axis {
  package enum Scale { case linear, logarithmic }

  let scale: Scale
  /// The numbers at the beginning and the end.
  package let limits: ClosedRange<Double>
  /// Numbers that are named.
  package let ticks: [Double]

  /// From 0 to just above the largest number.
  package static func linear(upTo largest: Double) -> Axis {
    let top = min(max(largest, 0), Self.largest) > Self.smallest ? min(largest, Self.largest) : 1
    let step = roundStep(top / 6)
    let count = Int((top / step).rounded(.up))
    return Axis(
      scale: .linear, limits: 0...step * Double(count),
      ticks: (0...count).map { step * Double($0) })
  }

  /// From just below the smallest number to just above the largest.
  package static func linear(around values: [Double]) -> Axis {
    let values = values.filter { canPlace($0, on: .linear) }
    let (smallest, largest) = (values.min() ?? 0, values.max() ?? 1)
    // Numbers that differ in their last bits alone are one.
    let isOne =
      largest - smallest <= max(1e-9 * max(smallest.magnitude, largest.magnitude), Self.smallest)
    let span =
      isOne ? (largest.magnitude <= Self.smallest ? 1 : largest.magnitude) : largest - smallest
    let step = roundStep(span / 6)
    // Whole ticks at both ends, but for rounding.
    var first = (smallest / step + 1e-6).rounded(.down)
    var last = max((largest / step - 1e-6).rounded(.up), first + 1)
    // One number that is a tick lies between two others.
    if isOne, (smallest / step - first).magnitude < 1e-6 {
      (first, last) = (first - 1, first + 1)
    }
    return Axis(
      scale: .linear, limits: step * first...step * last,
      ticks: (0...Int(last - first)).map { step * (first + Double($0)) })
  }

  /// Around positive numbers, with ticks at 1, 2 and 5 times powers of ten, or at powers alone
  /// where these are many, or at some of them.
  package static func logarithmic(around values: [Double]) -> Axis {
    let values = values.filter { canPlace($0, on: .logarithmic) }
    let smallest = values.min() ?? 1
    let largest = max(values.max() ?? 1, smallest * 1.5)
    let exponents = Int(log10(smallest).rounded(.down))...Int(log10(largest).rounded(.up))
    let candidates = exponents.flatMap { exponent in
      [1, 2, 5].map { $0 * pow(10, Double(exponent)) }
    }
    // Round numbers at both ends, but for rounding.
    let low = candidates.last { $0 <= smallest * 1.001 } ?? smallest
    let high = candidates.first { $0 >= largest * 0.999 } ?? largest
    let inside = candidates.indices.filter {
      candidates[$0] >= low * 0.999 && candidates[$0] <= high * 1.001
    }
    let powers = inside.filter { $0 % 3 == 0 }
    let named = powers.count > 2 ? powers : inside
    let every = (named.count + 7) / 8
    return Axis(
      scale: .logarithmic, limits: low...high,
      ticks: named.indices.filter { $0 % every == 0 }.map { candidates[named[$0]] })
  }

  /// With a tick at each of the positive numbers, and some room around them.
  package static func logarithmic(at values: [Double]) -> Axis {
    let ticks = Set(values.filter { canPlace($0, on: .logarithmic) }).sorted()
    let (first, last) = (ticks.first ?? 1, ticks.last ?? 1)
    let margin = max(pow(last / first, 0.05), 1.1)
    return Axis(scale: .logarithmic, limits: first / margin...last * margin, ticks: ticks)
  }

  /// The scale on which numbers can be told apart: a logarithmic one where they are positive and
  /// lie more than a power of ten and a half apart.
  package static func suitableScale(for values: some Sequence<Double>) -> Scale {
    let finite = values.filter(\.isFinite)
    guard let smallest = finite.min(), let largest = finite.max(), smallest > 0 else {
      return .linear
    }
    return largest > 30 * smallest ? .logarithmic : .linear
  }

  /// The place of a number: 0 at the beginning, 1 at the end.
  package func place(of value: Double) -> Double {
    let (low, high) = (limits.lowerBound, limits.upperBound)
    return switch scale {
    case .linear: (value - low) / (high - low)
    case .logarithmic: log(value / low) / log(high / low)
    }
  }

  /// Numbers closer to 0, or further from it, have no place: their steps could not be counted.
  private static let (smallest, largest) = (1e-150, 1e150)

  /// Whether a number has a place: 0 has none on a logarithmic scale, and what is not finite on
  /// any.
  package static func canPlace(_ value: Double, on scale: Scale) -> Bool {
    value.magnitude <= largest && (scale == .linear || value >= smallest)
  }

  package func hasPlace(for value: Double) -> Bool { Self.canPlace(value, on: scale) }

  /// A tick's number, in as many digits as tell it from the next.
  package func name(of tick: Double) -> String {
    guard scale == .linear, ticks.count > 1 else { return formatShort(tick) }
    let step = ticks[1] - ticks[0]
    let largest = max(limits.lowerBound.magnitude, limits.upperBound.magnitude)
    guard largest < 1e6, step >= 0.99e-5 else {
      let digits = Int(log10(largest / step).rounded(.up)) + 1
      return abs(tick) < step / 2 ? "0" : String(format: "%.\(digits)g", tick)
    }
    let digits = max(0, Int((-log10(step * 1.001)).rounded(.up)))
    // Without a sign before zero.
    return String(format: "%.\(digits)f", abs(tick) < step / 2 ? 0 : tick)
  }

  /// 1, 2 or 5 times a power of ten, at least `step`.
  private static func roundStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    return ([1, 2, 5, 10].first { $0 * power >= step * 0.999 } ?? 10) * power
  }
}
