import Networks
import RandomNumbers

extension NetworkDescription {
  /// Returns layers of all kinds in a random order and in nested residual blocks: first of images,
  /// then of the sequence of their positions.
  static func random(seed: UInt64) throws -> NetworkDescription {
    var layers = RandomLayers(seed: seed)
    return try NetworkDescription(
      input: [2, 4, 3],
      layers: layers.several(depth: 0, isSequence: false) + [.toSequence]
        + layers.several(depth: 0, isSequence: true) + [
          .flatten, .linear(inputs: 24, outputs: 3),
        ])
  }
}

/// Draws layers that keep the shape of their input, [2, 4, 3] or [12, 2].
private struct RandomLayers {
  private let numbers: CounterRandom
  private var drawn: UInt64 = 0

  init(seed: UInt64) { numbers = CounterRandom(seed: seed, stream: 29) }

  private mutating func integer(below bound: Int) -> Int {
    drawn += 1
    return numbers.integer(below: bound, at: drawn)
  }

  mutating func several(depth: Int, isSequence: Bool) -> [LayerDescription] {
    (0..<1 + integer(below: 5)).map { _ in one(depth: depth, isSequence: isSequence) }
  }

  private mutating func one(depth: Int, isSequence: Bool) -> LayerDescription {
    let choice = integer(below: 16)
    switch choice {
    case 0: return .relu
    case 1: return .tanh
    case 2: return .gelu
    case 3: return .dropout(0.25)
    case 4 where !isSequence: return .batchNorm
    case 5...9 where depth < 3:
      let layers = several(depth: depth + 1, isSequence: isSequence)
      switch integer(below: 3) {
      case 0: return .sequence(layers)
      case 1: return .add(layers)
      default:
        return .add(layers, shortcut: one(depth: depth + 1, isSequence: isSequence))
      }
    default:
      if isSequence {
        return [
          .layerNorm, .positionEmbedding, .attention(heads: 2),
          .attention(heads: 1, isCausal: true), .linear(inputs: 2, outputs: 2),
        ][choice % 5]
      }
      return [
        .conv2d(inputs: 2, outputs: 2, kernel: 3, padding: 1),
        .conv2d(inputs: 2, outputs: 2, kernel: 1, bias: false),
        .maxPool2d(kernel: 3, stride: 1, padding: 1), .averagePool2d(kernel: 1), .sigmoid,
      ][choice % 5]
    }
  }
}
