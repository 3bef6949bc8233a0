import Curvature
import Networks
import Reference
import Testing

/// Where Kronecker factors are the Gauss–Newton matrix, and where they are not: the cases of
/// Eschenhagen et al., arXiv 2311.00636, and of Dangel et al., "Kronecker-factored approximate
/// curvature (KFAC) from scratch", arXiv 2507.05127, in double precision against dense matrices.
@Suite struct ExactnessTests {
  /// Nothing is sampled: what remains are roundings, of numbers of the order of 1.
  private let exact = 1e-10
  /// What is called inexact is wrong in the first digits.
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

  /// One datum, or N times the same, through any activation.
  @Test(arguments: [1, 4]) func oneDatumIsExact(examples: Int) throws {
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

  /// The relative deviation of a mean over M draws is some 1/√M, 0.6 %, times the spread of a draw.
  @Test func monteCarloConverges() throws {
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

  /// g is the same for all data, so that the mean of products is the product of means.
  @Test func deepLinearRegressionIsExactButEmpiricallyNot() throws {
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

  @Test func expandIsExactWithALossPerPosition() throws {
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

  /// Pooled by the mean; a sum is the mean with S times the gradients, and so exact too.
  @Test func reduceIsExactWhereAllIsPooled() throws {
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

  @Test func beforeThePoolReduceAndAfterItBoth() throws {
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

  @Test func withoutASharedAxisBothAreTheSame() throws {
    let network = try CurvatureNetwork([3], mlp(.tanh), .crossEntropy(), examples: 6)
    for fisher in [Fisher.type2, .monteCarlo(samples: 3), .empirical] {
      let pairs = zip(network.factors(fisher, .expand), network.factors(fisher, .reduce))
      for (expanded, reduced) in pairs {
        #expect(expanded.a.relativeDistance(to: reduced.a) <= exact)
        #expect(expanded.b.relativeDistance(to: reduced.b) <= exact)
      }
    }
  }

  /// Windows overlap and meet the edge: g of the first convolution is not the same at all
  /// positions.
  @Test func ofTwoConvolutionsTheLastIsExact() throws {
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

  /// Each group of a convolution's outputs has factors of its own, exact behind everything else,
  /// and all of them one block for the bias.
  @Test func eachGroupOfAConvolutionIsALayer() throws {
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

  /// An embedding is a linear layer of unit vectors, with its matrix the other way round.
  @Test func embeddingsAreLinearLayers() throws {
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

  /// With one linear layer and squared errors g is the unit vectors, and B the unit matrix: the
  /// factor between both matrices is 1.
  @Test func forwardOnlyFactorsAreExactForOneLayer() throws {
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
