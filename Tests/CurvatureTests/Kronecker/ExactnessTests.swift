import Curvature
import Networks
import Reference
import Testing

/// Compares Kronecker factors with the Gauss–Newton matrix in cases that are exact and in cases
/// that are not.
///
/// The cases are those of Eschenhagen et al., arXiv 2311.00636, and of Dangel et al.,
/// "Kronecker-factored approximate curvature (KFAC) from scratch", arXiv 2507.05127; in double
/// precision against dense matrices.
@Suite struct ExactnessTests {
  /// Nothing is sampled: only roundings remain, of numbers of the order of 1.
  private let exact = 1e-10
  /// Inexact factors differ in the first digits.
  private let inexact = 1e-2

  private let losses: [Loss] = [
    .crossEntropy(), .crossEntropy(labelSmoothing: 0.1), .meanSquaredError, .binaryCrossEntropy,
  ]

  private func mlp(_ activation: LayerDescription) -> [LayerDescription] {
    [
      .linear(inputs: 3, outputs: 4), activation, .linear(inputs: 4, outputs: 3, bias: false),
      activation, .linear(inputs: 3, outputs: 3),
    ]
  }

  /// Covers one datum, and N copies of it, through every activation.
  @Test("factors of one datum or its copies are exact", arguments: [1, 4])
  func oneDatum(examples: Int) throws {
    for loss in losses {
      for activation in [LayerDescription.relu, .tanh, .sigmoid, .gelu, .silu] {
        let network = try CurvatureNetwork(
          [3], mlp(activation), loss, examples: examples, identical: true)
        for reduction in [LossReduction.mean, .sum] {
          let (newton, empirical) = (
            network.gaussNewton(reduction), network.empiricalFisher(reduction)
          )
          let layers = network.factors(.type2, reduction: reduction)
          #expect(layers.count == 3)
          for factors in layers {
            let truth = network.block(newton, of: factors.layer)
            #expect(factors.product.relativeDistance(to: truth) <= exact)
          }
          for factors in network.factors(.empirical, reduction: reduction) {
            let truth = network.block(empirical, of: factors.layer)
            #expect(factors.product.relativeDistance(to: truth) <= exact)
          }
        }
      }
    }
  }

  /// The relative deviation of a mean over M draws is about 1/√M, 0.6 %, times the spread of a
  /// draw.
  @Test("drawn factors converge to the Gauss–Newton block") func monteCarlo() throws {
    for loss in losses {
      let network = try CurvatureNetwork([3], mlp(.tanh), loss, examples: 1)
      let newton = network.gaussNewton()
      for factors in network.factors(.monteCarlo(samples: 25_000)) {
        let truth = network.block(newton, of: factors.layer)
        #expect(factors.product.relativeDistance(to: truth) <= 0.05)
        #expect(factors.product.relativeDistance(to: truth) > exact)
      }
    }
  }

  /// g is the same for all data, therefore the mean of products is the product of means.
  @Test("deep linear regression is exact with type-2 factors, not with empirical ones")
  func deepLinearRegression() throws {
    let network = try CurvatureNetwork(
      [3],
      [
        .linear(inputs: 3, outputs: 4), .linear(inputs: 4, outputs: 3),
        .linear(inputs: 3, outputs: 2),
      ], .meanSquaredError, examples: 6)
    let (newton, empirical) = (network.gaussNewton(), network.empiricalFisher())
    for factors in network.factors(.type2) {
      let truth = network.block(newton, of: factors.layer)
      #expect(factors.product.relativeDistance(to: truth) <= exact)
    }
    for factors in network.factors(.empirical) {
      #expect(
        factors.product.relativeDistance(to: network.block(newton, of: factors.layer)) > inexact)
      #expect(
        factors.product.relativeDistance(to: network.block(empirical, of: factors.layer)) > inexact)
    }
  }

  // MARK: A shared axis

  private func sequence(_ after: [LayerDescription]) throws -> CurvatureNetwork {
    try CurvatureNetwork(
      [5, 3], [.linear(inputs: 3, outputs: 4), .linear(inputs: 4, outputs: 2)] + after,
      .meanSquaredError, examples: 6)
  }

  @Test("expand is exact with a loss per position") func expandPerPosition() throws {
    let network = try sequence([])
    let newton = network.gaussNewton()
    for factors in network.factors(.type2, .expand) {
      let truth = network.block(newton, of: factors.layer)
      #expect(factors.product.relativeDistance(to: truth) <= exact)
    }
    for factors in network.factors(.type2, .reduce) {
      let truth = network.block(newton, of: factors.layer)
      #expect(factors.product.relativeDistance(to: truth) > inexact)
    }
    #expect(network.factors(.type2).allSatisfy { $0.layer.shape.axis == .expand })
  }

  /// Pools by the mean. A sum is the mean with S times the gradients, and therefore also exact.
  @Test("reduce is exact when all positions are pooled") func reducePooled() throws {
    let network = try sequence([.globalAveragePool])
    let newton = network.gaussNewton()
    let (reduced, expanded) = (network.factors(.type2, .reduce), network.factors(.type2, .expand))
    for (reduced, expanded) in zip(reduced, expanded) {
      let truth = network.block(newton, of: reduced.layer)
      #expect(reduced.product.relativeDistance(to: truth) <= exact)
      #expect(expanded.product.relativeDistance(to: truth) > inexact)
      #expect(reduced.b.relativeDistance(to: expanded.b) <= exact)
      #expect(reduced.a.relativeDistance(to: expanded.a) > inexact)
    }
    #expect(network.factors(.type2).allSatisfy { $0.layer.shape.axis == .reduce })
  }

  @Test("before the pool reduce is exact, after it reduce and expand both are")
  func aroundPool() throws {
    let network = try sequence([
      .globalAveragePool, .linear(inputs: 2, outputs: 3), .linear(inputs: 3, outputs: 2),
    ])
    let newton = network.gaussNewton()
    for (layer, factors) in network.factors(.type2, .reduce).enumerated() {
      let truth = network.block(newton, of: factors.layer)
      #expect(factors.product.relativeDistance(to: truth) <= exact, "layer \(layer)")
    }
    for (layer, factors) in network.factors(.type2, .expand).enumerated() {
      let distance = factors.product.relativeDistance(
        to: network.block(newton, of: factors.layer))
      #expect(layer < 2 ? distance > inexact : distance <= exact, "layer \(layer)")
    }
  }

  @Test("without a shared axis expand and reduce are the same") func noSharedAxis() throws {
    let network = try CurvatureNetwork([3], mlp(.tanh), .crossEntropy(), examples: 6)
    for fisher in [Fisher.type2, .monteCarlo(samples: 3), .empirical] {
      let pairs = zip(network.factors(fisher, .expand), network.factors(fisher, .reduce))
      for (expanded, reduced) in pairs {
        #expect(expanded.a.relativeDistance(to: reduced.a) <= exact)
        #expect(expanded.b.relativeDistance(to: reduced.b) <= exact)
      }
    }
  }

  /// Windows overlap and meet the edge: g of the first convolution differs between positions.
  @Test("the last of two convolutions is exact, the first is not") func twoConvolutions() throws {
    let network = try CurvatureNetwork(
      [2, 6, 5],
      [
        .conv2d(inputs: 2, outputs: 2, kernel: 3, stride: 2, padding: 1),
        .conv2d(inputs: 2, outputs: 3, kernel: 3, padding: 1), .globalAveragePool,
      ], .meanSquaredError, examples: 3)
    let newton = network.gaussNewton()
    let distances = network.factors(.type2).map {
      $0.product.relativeDistance(to: network.block(newton, of: $0.layer))
    }
    #expect(distances[0] > inexact)
    #expect(distances[1] <= exact)
    for factors in network.factors(.type2, .expand) {
      #expect(
        factors.product.relativeDistance(to: network.block(newton, of: factors.layer)) > inexact)
    }
  }

  /// Each group of a convolution's outputs has its own factors, exact in the last layer. All groups
  /// share one block for the bias.
  @Test("each group of a convolution has exact factors of its own")
  func convolutionGroups() throws {
    for (outputs, groups, dilation) in [(6, 2, 1), (4, 4, 2), (3, 1, 2)] {
      let network = try CurvatureNetwork(
        [2, 6, 5],
        [
          .conv2d(inputs: 2, outputs: 4, kernel: 3, stride: 2, padding: 1, bias: false),
          .conv2d(
            inputs: 4, outputs: outputs, kernel: 2, padding: 1, dilation: dilation, groups: groups),
          .globalAveragePool,
        ], .meanSquaredError, examples: 3)
      let newton = network.gaussNewton()
      let layers = network.factors(.type2).dropFirst()
      let names = (0..<groups).map { "1.weight[\($0)]" } + ["1.bias"]
      #expect(layers.map(\.layer.name) == (groups > 1 ? names : ["1.weight"]))
      for factors in layers {
        let truth = network.block(newton, of: factors.layer)
        #expect(factors.product.relativeDistance(to: truth) <= exact, "\(factors.layer.name)")
      }
      #expect(network.network.description.tensorsWithoutCurvature.isEmpty)
    }
  }

  /// An embedding is a linear layer on unit vectors, with its matrix transposed.
  @Test("embeddings have the factors of linear layers") func embeddings() throws {
    let perPosition = try CurvatureNetwork(
      [4], [.embedding(vocabulary: 5, width: 3), .linear(inputs: 3, outputs: 2)],
      .meanSquaredError, examples: 4)
    let pooled = try CurvatureNetwork(
      [4],
      [.embedding(vocabulary: 5, width: 3), .globalAveragePool, .linear(inputs: 3, outputs: 2)],
      .meanSquaredError, examples: 4)
    for (network, form) in [(perPosition, FactorShape.Form.diagonal), (pooled, .dense)] {
      let newton = network.gaussNewton()
      let layers = network.factors(.type2)
      #expect(layers[0].layer.shape.isTable && layers[0].layer.shape.a.form == form)
      for factors in layers {
        let truth = network.block(newton, of: factors.layer)
        #expect(factors.product.relativeDistance(to: truth) <= exact)
      }
    }
  }

  // MARK: Without vectors

  /// The vectors g are the unit vectors and B is the unit matrix for one linear layer and squared
  /// errors: the ratio of the matrices is 1.
  @Test("forward-only factors are exact for one linear layer") func forwardOnly() throws {
    for reduction in [LossReduction.mean, .sum] {
      let network = try CurvatureNetwork(
        [3], [.linear(inputs: 3, outputs: 4)], .meanSquaredError, examples: 6)
      let factors = network.factors(.forwardOnly, reduction: reduction)[0]
      #expect(factors.layer.b.isEmpty)
      let truth = network.block(network.gaussNewton(reduction), of: factors.layer)
      #expect(factors.product.relativeDistance(to: truth) <= exact)
    }
  }
}
