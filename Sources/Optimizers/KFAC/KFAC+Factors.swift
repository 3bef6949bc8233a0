import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Micro-batches provide sums for the factors, and the next step adds these to the averages.
extension KFAC: LayerStatisticsConsumer {
  public var wantsFactors: Bool {
    averageWeight == 0 || stepsTaken % configuration.stepsBetweenFactors == 0
  }

  public func beginFactors(
    microBatch: Int, on world: Communicator
  ) throws -> UnsafeMutableBufferPointer<Element> {
    try factorSums.begin(microBatch: microBatch, on: world)
  }

  public var factorRanges: [[Range<Int>]] { placement.ranges }

  public func endFactors(on world: Communicator) throws {
    try factorSums.advance(to: 0, on: world)
  }

  public func finishFactors(on world: Communicator) throws {
    pendingSums = try factorSums.finish(on: world)
  }

  public var sampleOperator: CurvatureOperator? { configuration.sampleOperator }

  public var productCounts: [Int] { sampled?.productCounts ?? [] }

  public func take(samples: [[LayerSamples<Element>]]) { sampled!.take(samples) }

  /// Adds the pending sums to the averages, if there are any.
  ///
  /// - Returns: false on all ranks if a sum is not finite on any rank; nothing changes then.
  func takeFactors(on world: Communicator, clock: PhaseClock) throws -> Bool {
    guard let sums = pendingSums else { return true }
    pendingSums = nil
    return try clock.time(.factors) {
      let isFinite =
        Element.dot(count: sums.count, sums.baseAddress!, sums.baseAddress!).isFinite
        && sampled?.isFinite != false
      guard try world.allGather(isFinite ? 1 : 0).allSatisfy({ $0 == 1 }) else { return false }
      var (numbers, first) = (sums.baseAddress!, placement.slices[rank].lowerBound)
      if let factorGather {
        _ = allSums[placement.slices[rank]].update(fromContentsOf: sums)
        try factorGather.finish(allSums.all, on: world)
        (numbers, first) = (UnsafePointer(allSums.pointer), 0)
      }
      for (layer, averages) in averages.enumerated() {
        let scales = layers[layer].scales
        for (factor, average) in averages.enumerated() {
          // All ranks have agreed that the sums are finite; a rank that rejected them would
          // continue alone.
          let isTaken = average?.add(
            numbers + placement.ranges[layer][factor].lowerBound - first,
            scale: factor == 0 ? scales.a : scales.b, decay: configuration.factorDecay)
          precondition(isTaken != false, "\(layers[layer].name): a factor that is not finite")
        }
      }
      let decay = configuration.factorDecay
      averageWeight = decay * averageWeight + (1 - decay)
      return true
    }
  }

  /// Inverts the factors that this rank owns, and sends the inverses to the layers' workers.
  /// Collective.
  ///
  /// - Throws: on all ranks together, naming the layer, if a factor has no inverse.
  func invert(damping: Double, on world: Communicator, clock: PhaseClock) throws {
    try clock.time(.inverse) {
      try gatherTraces(on: world)
      try world.agree {
        for layer in layers.indices {
          guard let inverse = inverses[layer] else { continue }
          let shifts = inverse.setDamping(
            damping, traceOfA: traces[2 * layer], traceOfB: traces[2 * layer + 1])
          let owners = placement.owners[layer]
          do {
            if owners[0] == rank {
              try inverse.a.update(from: averages[layer][0]!, shift: shifts.a)
            }
            if owners[1] == rank {
              try inverse.b.update(from: averages[layer][1]!, shift: shifts.b)
            }
          } catch {
            throw FactorWithoutInverse(layer: layers[layer].name, damping: damping, cause: error)
          }
        }
      }
    }
    try clock.time(.exchange) {
      let places = inversePlaces
      func numbers(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
        let (layer, factor) = places[range.lowerBound]!
        let inverse = inverses[layer]!
        return (factor == 0 ? inverse.a : inverse.b).numbers.all
      }
      try inverseExchange.exchange(
        from: { UnsafeBufferPointer(numbers($0)) }, into: numbers, on: world)
    }
    inverseDamping = damping
  }

  /// Gathers the traces of all averages from their owners. Collective.
  private func gatherTraces(on world: Communicator) throws {
    var local: [Double] = []
    var counts = [Int](repeating: 0, count: slices.count)
    for (layer, owners) in placement.owners.enumerated() {
      for (factor, owner) in owners.enumerated() {
        counts[owner] += 1
        if owner == rank { local.append(averages[layer][factor]!.trace) }
      }
    }
    var gathered = [Double](repeating: 0, count: counts.reduce(0, +))
    try world.allGather(local, counts: counts, into: &gathered)
    var next = counts.indices.map { counts[..<$0].reduce(0, +) }
    for (layer, owners) in placement.owners.enumerated() {
      for (factor, owner) in owners.enumerated() {
        traces[2 * layer + factor] = gathered[next[owner]]
        next[owner] += 1
      }
    }
  }

  /// The layer and factor of each inverse, by the inverse's start in the vector of all inverses. No
  /// rank stores this vector.
  private var inversePlaces: [Int: (layer: Int, factor: Int)] {
    var places: [Int: (layer: Int, factor: Int)] = [:]
    for (layer, ranges) in Self.inverseRanges(layers, configuration).enumerated() {
      for (factor, range) in ranges.enumerated() { places[range.lowerBound] = (layer, factor) }
    }
    return places
  }
}

/// Reports a Kronecker factor that has no inverse.
package struct FactorWithoutInverse: DiagnosticError {
  /// The layer's name.
  package let layer: String
  /// λ.
  package let damping: Double
  /// The error of the inversion.
  package let cause: any Error

  package var diagnostic: Diagnostic {
    "layer \(layer): its factors with \(setting: "damping", damping) have no inverse: \(cause)"
  }
}
