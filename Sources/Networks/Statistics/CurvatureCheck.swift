import Curvature
import LinearAlgebra

/// Measures how far the Kronecker factors of a network's layers are from the exact blocks of its
/// curvature, on a few examples in double precision.
///
/// The network computes as for predictions, with batch-norms on their running statistics.
package final class CurvatureCheck {
  /// Largest number of vectors ▲ per example, positions times outputs, for the Gauss–Newton matrix.
  package static let largestColumnCount = 1000
  /// Largest number of multiplications: five minutes of work.
  package static let largestWork = 1e13
  /// Bytes of exact blocks' rows held at once, unless a single layer needs more.
  private static let groupBytes = 1 << 30

  /// Holds a layer and its distances from the exact block.
  package struct Layer {
    package let layer: FactoredLayer
    /// Setting that `auto` selects; nil if the two settings do not differ.
    package let automatic: SharedAxis?
    /// Distances of the Kronecker factors, by Fisher matrix and setting. For a normalisation
    /// layer's block, `expand` is its diagonal and `reduce` all of it.
    package var distances: [(fisher: Fisher, axis: SharedAxis, distance: BlockDistance)] = []
    /// Distance of the empirical Fisher matrix's exact block from the Gauss–Newton matrix's; nil if
    /// the latter is not computed.
    package var empirical: BlockDistance?
  }

  private let network: Network<Double>
  private let loss: Loss
  private let parameters: Buffer<Double>
  private let state: Buffer<Double>
  private let inputs: Buffer<Double>
  private let targets: Targets<Double>
  private let examples: Int
  private let seed: UInt64
  private let samples: Int

  /// Allocates a network for the examples.
  ///
  /// - Parameters:
  ///   - inputs: [examples, inputCount]
  ///   - targets: must outlive the check.
  ///   - samples: draws of the Monte-Carlo Fisher matrix.
  package init(
    _ description: NetworkDescription, loss: Loss, parameters: Buffer<Double>,
    state: Buffer<Double>, inputs: Buffer<Double>, targets: Targets<Double>, examples: Int,
    samples: Int, seed: UInt64
  ) throws {
    network = try Network(description, maximumBatch: examples)
    (self.loss, self.parameters, self.state) = (loss, parameters, state)
    (self.inputs, self.targets, self.examples) = (inputs, targets, examples)
    (self.samples, self.seed) = (samples, seed)
  }

  /// Returns whether there are few enough outputs to compute the Gauss–Newton matrix, at least for
  /// one example.
  package static func hasGaussNewton(_ description: NetworkDescription) -> Bool {
    let columns = description.positions * description.outputCount
    return columns <= largestColumnCount
      && work(for: description, rowCount: columns) <= largestWork
  }

  /// Returns the largest number of bytes held at once, without the network's.
  ///
  /// - Throws: `NetworkMemoryError`.
  package static func bytes(
    for description: NetworkDescription, loss: Loss, examples: Int
  ) throws -> Int {
    let layers = KroneckerSettings().layers(of: description)
    let rows = rowCount(description, examples)
    let largest =
      groups(of: layers, rowCount: rows).map { group in
        group.reduce(0) { $0 + bytes(of: $1, rowCount: rows) }
      }.max() ?? 0
    let averages = try MemoryCount.of {
      let network = try MemoryCount.for(.activations) {
        try Network<Double>(description, maximumBatch: examples)
      }
      return SharedAxis.allCases.map { axis in
        let statistics = KroneckerStatistics(
          network, loss: loss, settings: settings(.type2, axis))
        return (network, statistics, Buffer<Double>(count: statistics.packedCount))
      }
    }
    return largest + 4 * averages[.state]
  }

  /// Returns the number of multiplications for the distances.
  package static func work(for description: NetworkDescription, examples: Int) -> Double {
    work(for: description, rowCount: rowCount(description, examples))
  }

  /// Counts half the products of all pairs of rows, and each row's B G A for two kinds of factors
  /// and both settings.
  private static func work(for description: NetworkDescription, rowCount: Int) -> Double {
    KroneckerSettings(hasNormalizationBlocks: true).layers(of: description).reduce(0) {
      sum, layer in
      let (a, b) = (layer.shape.a, layer.shape.b)
      let orders = (a.form == .dense ? a.order : 1) + (b.form == .dense ? b.order : 1)
      return sum + Double(layer.parameters.count) * Double(rowCount)
        * (Double(rowCount) / 2 + 4 * Double(orders))
    }
  }

  /// Returns the number of rows of the exact blocks of both matrices.
  private static func rowCount(_ description: NetworkDescription, _ examples: Int) -> Int {
    let columns = hasGaussNewton(description) ? description.positions * description.outputCount : 0
    return examples * (columns + 1)
  }

  private static func bytes(of layer: FactoredLayer, rowCount: Int) -> Int {
    8 * rowCount * layer.parameters.count
  }

  /// Groups the layers whose rows are held at the same time.
  private static func groups(of layers: [FactoredLayer], rowCount: Int) -> [[FactoredLayer]] {
    var (groups, total): ([[FactoredLayer]], Int) = ([], .max)
    for layer in layers {
      let bytes = bytes(of: layer, rowCount: rowCount)
      if groups.isEmpty || total + bytes > groupBytes {
        (groups, total) = (groups + [[layer]], bytes)
      } else {
        groups[groups.count - 1].append(layer)
        total += bytes
      }
    }
    return groups
  }

  // MARK: Distances

  /// Computes the distances of all layers, in the order of their parameters.
  ///
  /// Empirical factors are compared with the empirical Fisher matrix, all others with the
  /// Gauss–Newton matrix.
  package func layers() -> [Layer] {
    let description = network.description
    let hasGaussNewton = Self.hasGaussNewton(description)
    let fishers: [Fisher] =
      (hasGaussNewton ? [.type2, .monteCarlo(samples: samples)] : []) + [.empirical]
    let all = fishers.flatMap { fisher in
      SharedAxis.allCases.map { (fisher: fisher, axis: $0, layers: factors(fisher, $0)) }
    }
    let automatic = KroneckerSettings().layers(of: description)
    let groups = Self.groups(of: automatic, rowCount: Self.rowCount(description, examples))
    return groups.flatMap { group in
      let newton = hasGaussNewton ? blocks(of: group, .type2) : [:]
      let empirical = blocks(of: group, .empirical)
      return group.map { layer in
        let first = layer.first
        var result = Layer(
          layer: layer,
          automatic: layer.isNormalization || layer.shape.positions == 1 ? nil : layer.shape.axis)
        for factors in all {
          // The settings do not differ with one position.
          if factors.axis != .expand, layer.shape.positions == 1, !layer.isNormalization,
            let same = result.distances.last
          {
            result.distances.append((factors.fisher, factors.axis, same.distance))
            continue
          }
          let exact = factors.fisher == .empirical ? empirical[first]! : newton[first]!
          let (shape, a, b) = factors.layers[first]!
          result.distances.append(
            (factors.fisher, factors.axis, exact.distance(of: shape, a: a, b: b)))
        }
        result.empirical = newton[first]?.distance(of: empirical[first]!)
        return result
      }
    }
  }

  private typealias Factors = (
    shape: KroneckerShape, a: FactorAverage<Double>, b: FactorAverage<Double>
  )

  /// Returns the settings of one column of distances.
  private static func settings(_ fisher: Fisher, _ axis: SharedAxis) -> KroneckerSettings {
    KroneckerSettings(axis: axis, fisher: fisher, hasNormalizationBlocks: axis == .reduce)
  }

  /// Returns the factors as training computes them from one batch, keyed by the layers' first
  /// elements.
  private func factors(_ fisher: Fisher, _ axis: SharedAxis) -> [Int: Factors] {
    let statistics = KroneckerStatistics(
      network, loss: loss, settings: Self.settings(fisher, axis))
    let packed = Buffer<Double>(count: statistics.packedCount)
    statistics.gather(
      inputs: UnsafeBufferPointer(inputs.all), targets: targets,
      parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
      seed: seed, step: 0, firstExample: 0, into: packed.pointer)
    return Dictionary(
      uniqueKeysWithValues: statistics.layers.map { layer in
        let scales = statistics.scales(of: layer, examples: examples)
        let (a, b) = (
          FactorAverage<Double>(layer.shape.a), FactorAverage<Double>(layer.shape.b)
        )
        a.add(packed.pointer + layer.a.lowerBound, scale: scales.a, decay: 0)
        b.add(packed.pointer + layer.b.lowerBound, scale: scales.b, decay: 0)
        return (layer.first, (layer.shape, a, b))
      })
  }

  /// Returns the exact blocks from each column's per-example gradients, keyed by the layers' first
  /// elements.
  private func blocks(of layers: [FactoredLayer], _ fisher: Fisher) -> [Int: ExactBlock] {
    let (positions, outputs) = (network.positions, network.outputCount)
    let vectors = FisherVectors<Double>(
      fisher, of: loss, predictions: examples * positions, outputs: outputs,
      keepingApart: fisher == .type2 ? positions : 1)
    let scale = loss.reductionFactor(predictions: examples * positions, outputs: outputs)
    let blocks = Dictionary(
      uniqueKeysWithValues: layers.map {
        ($0.first, ExactBlock($0.shape, rowCount: examples * vectors.columns, scale: scale))
      })
    let workspace = SampleWorkspace<Double>()
    let samples = Dictionary(
      uniqueKeysWithValues: layers.filter { !$0.isNormalization }.map {
        (
          $0.first,
          LayerSamples<Double>(
            $0.shape, for: .fisher, columns: 1, exampleInputs: $0.exampleInputs,
            maximumExamples: examples, workspace: workspace)
        )
      })
    let collector = LayerCollector<Double>(
      weights: { seen in
        guard let sample = samples[seen.first] else { return }
        if seen.column == 0 { sample.setInputs(seen.inputs, examples: seen.examples) }
        sample.setOutputGradients(seen.outputGradients.baseAddress!, column: 0)
        blocks[seen.first]!.add(sample, column: 0)
      },
      blocks: { seen in
        guard let block = blocks[seen.first] else { return }
        for example in 0..<seen.examples {
          block.add(seen.gradients.baseAddress! + example * block.count)
        }
      })
    network.propagateColumns(
      inputs: UnsafeBufferPointer(inputs.all), parameters: UnsafeBufferPointer(parameters.all),
      state: UnsafeBufferPointer(state.all), columns: vectors.columns, collector: collector
    ) { column, outputs, vector in
      vectors.fill(
        column, outputs, into: vector, targets: targets, seed: seed, step: 0, firstPrediction: 0)
    }
    return blocks
  }

  // MARK: M-FAC

  /// Returns the gradients [d] of the examples' losses, each the mean over its positions.
  package func gradients() -> [[Double]] {
    let width = network.inputCount
    let gradient = Buffer<Double>(count: network.parameterCount)
    return (0..<examples).map { example in
      _ = network.lossAndGradient(
        inputs: UnsafeBufferPointer(inputs[example * width..<(example + 1) * width]),
        targets: targets.example(example, of: examples),
        parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
        gradient: gradient.all, loss: loss, scale: 1 / Double(network.positions))
      return Array(gradient.all)
    }
  }
}

extension Targets {
  /// Returns the targets of one example.
  fileprivate func example(_ index: Int, of count: Int) -> Self {
    func part<Number>(_ all: UnsafeBufferPointer<Number>) -> UnsafeBufferPointer<Number> {
      let width = all.count / count
      return UnsafeBufferPointer(rebasing: all[index * width..<(index + 1) * width])
    }
    switch self {
    case .classes(let classes): return .classes(part(classes))
    case .values(let values): return .values(part(values))
    }
  }
}
