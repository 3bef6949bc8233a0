import LinearAlgebra

/// One layer as a user writes it, with the meaning and the defaults of PyTorch's.
///
/// Shapes are those of one example: an image [channels, height, width], a sequence
/// [positions, features], or [features].
public struct LayerDescription: Sendable, Equatable {
  /// What it computes.
  public var kind: Kind
  /// Its part of its tensors' names; its index in its list where nil, and nothing at all where empty.
  public var name: String?
  /// How the weights start, and the biases at 0; where nil as PyTorch's layer of that kind does.
  public var initialization: Initialization?

  /// What a layer computes; PyTorch's module of that name.
  public indirect enum Kind: Sendable, Equatable {
    /// y = x Wᵀ + b over the last dimension of x, W [outputs, inputs].
    case linear(inputs: Int, outputs: Int, bias: Bool)
    /// Cross-correlation of x [inputs, h, w] with W [outputs, inputs, kernel, kernel], zeros around.
    case conv2d(inputs: Int, outputs: Int, kernel: Int, stride: Int, padding: Int, bias: Bool)
    /// The largest value of each window, of equals the first.
    case maxPool2d(kernel: Int, stride: Int, padding: Int)
    /// The mean of each window, zeros around the image included.
    case averagePool2d(kernel: Int, stride: Int, padding: Int)
    /// The mean of each channel over an image, or of each feature over a sequence.
    case globalAveragePool
    /// One dimension, in the order of the shape's indices: channel, row, column.
    case flatten
    /// [channels, height, width] to [height·width, channels].
    case toSequence
    case activation(Activation)
    /// γ (x − mean)/√(variance + ε) + β for each channel of an image, or each feature.
    ///
    /// In training the statistics are those of the call's examples, and running statistics follow
    /// them: running ← (1 − momentum)·running + momentum·statistic. Otherwise the running ones.
    case batchNorm(momentum: Double, epsilon: Double)
    /// γ (x − mean)/√(variance + ε) + β with the statistics of the last dimension.
    case layerNorm(epsilon: Double)
    /// In training each element is 0 with that probability, else divided by 1 − probability.
    case dropout(probability: Double)
    /// Row x[s] of W [vocabulary, width] at each position s of tokens [positions].
    case embedding(vocabulary: Int, width: Int)
    /// x + W, W [positions, features].
    case positionEmbedding
    /// Multi-head self-attention over [positions, features]:
    /// softmax(Q Kᵀ/√(features/heads)) V for each head, from a projection to Q, K and V together, and
    /// projected again. Where causal, position s sees positions 0…s.
    case attention(heads: Int, isCausal: Bool)
    /// The layers one after another.
    case sequence([LayerDescription])
    /// body(x) + shortcut(x): a residual block; without a shortcut body(x) + x.
    case add([LayerDescription], shortcut: LayerDescription?)
  }

  init(_ kind: Kind) { self.kind = kind }

  /// The same layer under a name: `.conv2d(…).named("conv1")` has a tensor `conv1.weight`.
  public func named(_ name: String) -> LayerDescription {
    var layer = self
    layer.name = name
    return layer
  }

  /// The same layer with other initial values.
  public func initialized(_ initialization: Initialization) -> LayerDescription {
    var layer = self
    layer.initialization = initialization
    return layer
  }

  /// The kind's name in model files.
  public var kindName: String {
    switch kind {
    case .linear: "linear"
    case .conv2d: "conv2d"
    case .maxPool2d: "max-pool2d"
    case .averagePool2d: "average-pool2d"
    case .globalAveragePool: "global-average-pool"
    case .flatten: "flatten"
    case .toSequence: "to-sequence"
    case .activation(let activation): activation.rawValue
    case .batchNorm: "batch-norm"
    case .layerNorm: "layer-norm"
    case .dropout: "dropout"
    case .embedding: "embedding"
    case .positionEmbedding: "position-embedding"
    case .attention: "attention"
    case .sequence: "sequence"
    case .add: "add"
    }
  }
}

extension LayerDescription {
  /// y = x Wᵀ + b over the last dimension of x.
  public static func linear(inputs: Int, outputs: Int, bias: Bool = true) -> LayerDescription {
    LayerDescription(.linear(inputs: inputs, outputs: outputs, bias: bias))
  }

  /// Cross-correlation with square kernels, zeros around the image.
  public static func conv2d(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true
  ) -> LayerDescription {
    LayerDescription(
      .conv2d(
        inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding,
        bias: bias))
  }

  /// Windows side by side where there is no stride.
  public static func maxPool2d(
    kernel: Int, stride: Int? = nil, padding: Int = 0
  ) -> LayerDescription {
    LayerDescription(.maxPool2d(kernel: kernel, stride: stride ?? kernel, padding: padding))
  }

  /// Windows side by side where there is no stride.
  public static func averagePool2d(
    kernel: Int, stride: Int? = nil, padding: Int = 0
  ) -> LayerDescription {
    LayerDescription(.averagePool2d(kernel: kernel, stride: stride ?? kernel, padding: padding))
  }

  /// [channels, height, width] to [channels], [positions, features] to [features].
  public static let globalAveragePool = LayerDescription(.globalAveragePool)
  /// Any shape to one dimension.
  public static let flatten = LayerDescription(.flatten)
  /// [channels, height, width] to [height·width, channels].
  public static let toSequence = LayerDescription(.toSequence)
  /// max(x, 0).
  public static let relu = LayerDescription(.activation(.relu))
  /// The hyperbolic tangent.
  public static let tanh = LayerDescription(.activation(.tanh))
  /// 1/(1 + exp(−x)).
  public static let sigmoid = LayerDescription(.activation(.sigmoid))
  /// x·Φ(x), exact.
  public static let gelu = LayerDescription(.activation(.gelu))
  /// With PyTorch's momentum 0.1 and ε 1e-5.
  public static let batchNorm = batchNorm()
  /// With PyTorch's ε 1e-5.
  public static let layerNorm = layerNorm()
  /// x + W, W [positions, features].
  public static let positionEmbedding = LayerDescription(.positionEmbedding)

  /// - Parameters:
  ///   - momentum: of the running statistics, in [0, 1]: the newest one's part.
  ///   - epsilon: ε > 0.
  public static func batchNorm(
    momentum: Double = 0.1, epsilon: Double = 1e-5
  ) -> LayerDescription {
    LayerDescription(.batchNorm(momentum: momentum, epsilon: epsilon))
  }

  /// γ (x − mean)/√(variance + ε) + β over the last dimension.
  public static func layerNorm(epsilon: Double = 1e-5) -> LayerDescription {
    LayerDescription(.layerNorm(epsilon: epsilon))
  }

  /// In training each element is 0 with that probability, else divided by 1 − probability.
  public static func dropout(_ probability: Double) -> LayerDescription {
    LayerDescription(.dropout(probability: probability))
  }

  /// Row x[s] of W [vocabulary, width] at each position s of tokens [positions].
  public static func embedding(vocabulary: Int, width: Int) -> LayerDescription {
    LayerDescription(.embedding(vocabulary: vocabulary, width: width))
  }

  /// Multi-head self-attention over [positions, features]; where causal, position s sees 0…s.
  public static func attention(heads: Int, isCausal: Bool = false) -> LayerDescription {
    LayerDescription(.attention(heads: heads, isCausal: isCausal))
  }

  /// The layers one after another.
  public static func sequence(_ layers: [LayerDescription]) -> LayerDescription {
    LayerDescription(.sequence(layers))
  }

  /// body(x) + shortcut(x), or body(x) + x without a shortcut.
  public static func add(
    _ body: [LayerDescription], shortcut: LayerDescription? = nil
  ) -> LayerDescription {
    LayerDescription(.add(body, shortcut: shortcut))
  }
}
