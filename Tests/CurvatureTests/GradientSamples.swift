import RandomNumbers

/// Gradients of a given norm; like successive gradients, they share a part of their direction.
struct GradientSamples {
  let d: Int
  let norm: Double
  /// The share of a common unit vector: 0 gives independent directions, 0.9 leaves 0.1 of each
  /// gradient's own.
  let sharedMean: Double

  func gradient(_ index: Int) -> [Float] {
    let local = unit(stream: UInt64(index + 1))
    let shared = unit(stream: 0)
    let mixed = zip(local, shared).map { (1 - sharedMean) * $0 + sharedMean * $1 }
    let length = mixed.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return mixed.map { Float($0 * norm / length) }
  }

  private func unit(stream: UInt64) -> [Double] {
    let random = CounterRandom(seed: 17, stream: stream)
    let values = (0..<d).map { random.uniform(at: UInt64($0)) - 0.5 }
    let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return values.map { $0 / length }
  }
}
