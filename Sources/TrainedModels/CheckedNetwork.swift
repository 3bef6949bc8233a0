import Curvature
import Datasets
import Formats
import LinearAlgebra
import MPI
import Networks
import Sharding

/// Checks the curvature of a user's network on a few training examples.
package final class CheckedNetwork {
  package let name: String
  package let weights: String?
  package let examples: Int
  package let samples: Int
  package let seed: UInt64
  package let description: NetworkDescription
  package let dataset: Dataset
  private let loss: Loss
  private let parameters: Buffer<Float>
  private let state: Buffer<Float>

  /// Reads the weights, or draws them as at the start of training.
  ///
  /// - Parameters:
  ///   - description: a network that has been checked against the data.
  ///   - examples: N; the first N of the training part in the order shuffled by `seed`.
  ///   - samples: draws of the Monte-Carlo Fisher matrix.
  /// - Throws: `InputError` if there are fewer examples, or if the check would take too long.
  package init(
    _ description: NetworkDescription, name: String, loss: Loss, dataset: Dataset,
    weights: String?, examples: Int, samples: Int, seed: UInt64
  ) throws {
    guard examples <= dataset.training.count else {
      throw InputError(
        setting: "examples", "there are not as many in \(dataset.training.source)",
        expected: "1 to \(dataset.training.count)", got: "\(examples)")
    }
    func isShort(_ examples: Int) -> Bool {
      CurvatureCheck.work(for: description, examples: examples) <= CurvatureCheck.largestWork
    }
    guard isShort(examples) else {
      var most = examples
      while most > 0, !isShort(most) { most = most > 100 ? most * 9 / 10 : most - 1 }
      throw InputError(
        setting: "examples", "they would take too long with this network",
        expected: most > 0 ? "at most \(most)" : "a smaller network", got: "\(examples)")
    }
    parameters = Buffer(count: description.layout.count)
    state = Buffer(count: description.stateLayout.count)
    if let weights {
      try description.readWeights(from: weights, into: parameters.all, state: state.all)
    } else {
      description.layout.initialize(parameters.all, seed: seed)
      description.stateLayout.initialize(state.all)
    }
    (self.description, self.name, self.loss, self.dataset) = (description, name, loss, dataset)
    (self.weights, self.examples, self.samples, self.seed) = (weights, examples, samples, seed)
  }

  /// Human-readable description of the network, its data and its examples.
  package var summary: String {
    """
    data       \(dataset)
    network    \(name), d = \(description.layout.count) parameters, as it predicts
    weights    \(weights ?? "drawn by seed \(seed)")
    examples   \(examples), each with \(description.positions) prediction\
    \(description.positions == 1 ? "" : "s") of \(description.outputCount) outputs
    """
  }

  /// Returns the memory that the check takes.
  package func memory() throws -> MemoryPlan {
    let d = description.layout.count
    return MemoryPlan(
      gradients: try CurvatureCheck.bytes(for: description, loss: loss, examples: examples),
      // Rows in single and double precision, their differences, and the parameters.
      vectors: d * (examples * (4 + 8 + 16) + 12),
      activations: try MemoryCount.of {
        (
          try Network<Double>(description, maximumBatch: examples),
          try Network<Float>(description, maximumBatch: 1)
        )
      }.total)
  }

  /// Runs `body` with a check of the layers' blocks in double precision.
  private func check<Result>(_ body: (CurvatureCheck) throws -> Result) throws -> Result {
    let buffer = ExampleBuffer<Float>(dataset.training, capacity: examples)
    var batches = try BatchOrder.ofRows(
      of: dataset.training, examplesPerRow: examples, seed: seed)
    buffer.load(batches.indices(step: 0), epoch: nil)
    func run(_ targets: Targets<Double>) throws -> Result {
      try body(
        CurvatureCheck(
          description, loss: loss, parameters: Self.double(UnsafeBufferPointer(parameters.all)),
          state: Self.double(UnsafeBufferPointer(state.all)), inputs: Self.double(buffer.inputs),
          targets: targets, examples: examples, samples: samples, seed: seed))
    }
    switch buffer.targets {
    case .classes(let classes): return try run(.classes(classes))
    case .values(let values):
      let values = Self.double(values)
      return try run(.values(UnsafeBufferPointer(values.all)))
    }
  }

  private static func double(_ numbers: UnsafeBufferPointer<Float>) -> Buffer<Double> {
    let result = Buffer<Double>(count: numbers.count)
    for (i, number) in numbers.enumerated() { result.pointer[i] = Double(number) }
    return result
  }

  /// Returns the distances of all layers' blocks from the exact ones.
  package func layers() throws -> [CurvatureCheck.Layer] { try check { $0.layers() } }

  /// Names of the tensors for which K-FAC has no curvature.
  package var outside: [String] {
    description.tensorsWithoutCurvature.map { description.layout.tensors[$0].name }
  }

  /// Returns the distance of M-FAC's Fisher matrix (1/N) GᵀG from the empirical Fisher matrix in
  /// double precision, for each type of M-FAC's rows that has no scales. G holds the gradients of
  /// the N examples as M-FAC collects and stores them. Collective; requires a single rank.
  ///
  /// - Throws: on all ranks, if a gradient is not finite.
  package func rowDistances(
    on world: Communicator
  ) throws -> [(type: RowType, distance: Double)] {
    let exact = try check { $0.gradients() }
    let collection = try GradientCollection<Float>(
      of: description, loss: loss, on: dataset.training, examplesPerRow: 1, seed: seed,
      slices: [0..<description.layout.count], over: world)
    var rows: [[Float]] = []
    _ = try collection.collect(
      rows: 0..<examples, parameters: UnsafeBufferPointer(parameters.all),
      state: UnsafeBufferPointer(state.all), over: world
    ) { rows.append(Array($1)) }
    return RowType.unscaledTypes(for: Float.self).map { type in
      for i in rows.indices {
        rows[i].withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: type) }
      }
      return (type, relativeDistance(ofRows: rows, to: exact))
    }
  }
}
