import Formats
import Foundation

/// Maps numbers to positions along a side of a plot.
package struct Axis {
  package enum Scale { case linear, logarithmic }

  let scale: Scale
  /// The numbers at the beginning and the end.
  package let limits: ClosedRange<Double>
  /// The numbers with labels.
  package let ticks: [Double]

  /// Returns an axis from 0 to just above the largest number.
  package static func linear(upTo largest: Double) -> Axis {
    let top = min(max(largest, 0), Self.largest) > Self.smallest ? min(largest, Self.largest) : 1
    let step = roundStep(top / 6)
    let count = Int((top / step).rounded(.up))
    return Axis(
      scale: .linear, limits: 0...step * Double(count),
      ticks: (0...count).map { step * Double($0) })
  }

  /// Returns an axis from just below the smallest number to just above the largest.
  package static func linear(around values: [Double]) -> Axis {
    let values = values.filter { canPlace($0, on: .linear) }
    let (smallest, largest) = (values.min() ?? 0, values.max() ?? 1)
    // Numbers that differ only in their last bits count as one.
    let isOne =
      largest - smallest <= max(1e-9 * max(smallest.magnitude, largest.magnitude), Self.smallest)
    let span =
      isOne ? (largest.magnitude <= Self.smallest ? 1 : largest.magnitude) : largest - smallest
    let step = roundStep(span / 6)
    // Both ends are ticks; the tolerance absorbs rounding.
    var first = (smallest / step + 1e-6).rounded(.down)
    var last = max((largest / step - 1e-6).rounded(.up), first + 1)
    // A single number that is a tick gets a tick on each side.
    if isOne, (smallest / step - first).magnitude < 1e-6 {
      (first, last) = (first - 1, first + 1)
    }
    return Axis(
      scale: .linear, limits: step * first...step * last,
      ticks: (0...Int(last - first)).map { step * (first + Double($0)) })
  }

  /// Returns an axis around positive numbers. Its ticks are at 1, 2 and 5 times powers of ten, or
  /// at powers alone if there are many, or at some of these.
  package static func logarithmic(around values: [Double]) -> Axis {
    let values = values.filter { canPlace($0, on: .logarithmic) }
    let smallest = values.min() ?? 1
    let largest = max(values.max() ?? 1, smallest * 1.5)
    let exponents = Int(log10(smallest).rounded(.down))...Int(log10(largest).rounded(.up))
    let candidates = exponents.flatMap { exponent in
      [1, 2, 5].map { $0 * pow(10, Double(exponent)) }
    }
    // Both ends are candidates for ticks; the tolerance absorbs rounding.
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

  /// Returns an axis with a tick at each of the positive numbers, and a margin around them.
  package static func logarithmic(at values: [Double]) -> Axis {
    let ticks = Set(values.filter { canPlace($0, on: .logarithmic) }).sorted()
    let (first, last) = (ticks.first ?? 1, ticks.last ?? 1)
    let margin = max(pow(last / first, 0.05), 1.1)
    return Axis(scale: .logarithmic, limits: first / margin...last * margin, ticks: ticks)
  }

  /// Returns the scale on which numbers are distinguishable: logarithmic if they are positive and
  /// their ratio exceeds 30.
  package static func suitableScale(for values: some Sequence<Double>) -> Scale {
    let finite = values.filter(\.isFinite)
    guard let smallest = finite.min(), let largest = finite.max(), smallest > 0 else {
      return .linear
    }
    return largest > 30 * smallest ? .logarithmic : .linear
  }

  /// Returns the position of a number: 0 at the beginning, 1 at the end.
  package func place(of value: Double) -> Double {
    let (low, high) = (limits.lowerBound, limits.upperBound)
    return switch scale {
    case .linear: (value - low) / (high - low)
    case .logarithmic: log(value / low) / log(high / low)
    }
  }

  /// Numbers outside these magnitudes cannot be placed: the number of steps would be too large to
  /// count.
  private static let (smallest, largest) = (1e-150, 1e150)

  /// Returns true if a number can be placed: on a logarithmic scale not 0, and never infinity or
  /// NaN.
  package static func canPlace(_ value: Double, on scale: Scale) -> Bool {
    value.magnitude <= largest && (scale == .linear || value >= smallest)
  }

  package func hasPlace(for value: Double) -> Bool { Self.canPlace(value, on: scale) }

  /// Returns the label of a tick, with enough digits to distinguish it from the next.
  package func name(of tick: Double) -> String {
    guard scale == .linear, ticks.count > 1 else { return formatShort(tick) }
    let step = ticks[1] - ticks[0]
    let largest = max(limits.lowerBound.magnitude, limits.upperBound.magnitude)
    guard largest < 1e6, step >= 0.99e-5 else {
      let digits = Int(log10(largest / step).rounded(.up)) + 1
      return abs(tick) < step / 2 ? "0" : String(format: "%.\(digits)g", tick)
    }
    let digits = max(0, Int((-log10(step * 1.001)).rounded(.up)))
    // A tick near zero gets no minus sign.
    return String(format: "%.\(digits)f", abs(tick) < step / 2 ? 0 : tick)
  }

  /// Returns 1, 2 or 5 times a power of ten, at least `step`.
  private static func roundStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    return ([1, 2, 5, 10].first { $0 * power >= step * 0.999 } ?? 10) * power
  }
}
