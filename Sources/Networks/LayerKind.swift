import LinearAlgebra

/// What a layer computes, and the fields of its description.
///
/// Each kind is a value in a file of its own under `Layers`, beside its computation, and stands in
/// `LayerDescription.kinds`. This is what kinds made of other layers have too; see `NodeKind`.
protocol LayerKind: Sendable, Equatable {
  /// Names in model files, in the order of messages.
  static var names: [String] { get }
  /// Other names that model files may use.
  static var aliases: [String] { get }
  /// Whether a model file may say how the weights start.
  static var isInitializable: Bool { get }

  /// Reads the fields of a layer that has this name in a model file.
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError)

  /// Its name in model files.
  var name: String { get }

  /// Its case and fields in the text that checkpoints know networks by. A field that is added later
  /// is not in it while its value means what layers without the field did.
  var recorded: (name: String, fields: [(label: String?, value: Any)]) { get }

  /// Appends the layer to a graph.
  ///
  /// - Returns: the value that it gives.
  func append(
    to graph: inout NetworkGraph, reading value: Int, initialization: Initialization?,
    _ place: LayerPlace
  ) throws(NetworkDescriptionError) -> Int
}

extension LayerKind {
  static var aliases: [String] { [] }
  var name: String { Self.names[0] }

  var recorded: (name: String, fields: [(label: String?, value: Any)]) {
    let words = name.split(separator: "-")
    return (
      words[0] + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(),
      Mirror(reflecting: self).children.map { ($0.label, $0.value) }
    )
  }

  func isEqual(to other: any LayerKind) -> Bool { other as? Self == self }
}

extension LayerDescription {
  /// All kinds of layers, in the order of messages.
  static let kinds: [any LayerKind.Type] = [
    Linear.self,
    Conv2d.self,
    MaxPool2d.self,
    AveragePool2d.self,
    GlobalAveragePool.self,
    Flatten.self,
    ToSequence.self,
    ElementwiseActivation.self,
    BatchNorm.self,
    LayerNorm.self,
    RMSNorm.self,
    Dropout.self,
    Embedding.self,
    PositionEmbedding.self,
    Attention.self,
    LayerSequence.self,
    Add.self,
  ]
}

/// Where a layer stands in a description.
struct LayerPlace {
  /// Names of the layers around it and its own, with points between.
  let path: String
  /// Its indices in the lists of layers around it.
  let position: [Int]

  func error(_ problem: LayerProblem, _ name: String) -> NetworkDescriptionError {
    NetworkDescriptionError(layer: path, layerName: name, position: position, problem.message)
  }
}

/// A kind of layer that is one node of a network's graph. Nothing here has a default.
protocol NodeKind: LayerKind {
  /// What it wants its input to be.
  var input: InputForm { get }

  /// The shape that the layer makes of `shape`, which `giver` ("layer 3 (relu)") gives.
  ///
  /// - Throws: `LayerProblem` where the layer's own sizes are wrong or do not follow `shape`.
  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int]

  /// The layer's parameters for inputs of `shape`, in PyTorch's order: weights before biases.
  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor]

  /// What the layer keeps beside its parameters; nil for nothing.
  func state(for shape: [Int]) -> RunningStatistics?

  /// What Kronecker-factored curvature knows of the layer.
  func curvature(for shape: [Int]) -> LayerForm

  /// Products with an input that each weight is in, for one example; 0 where it is in none.
  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int

  /// The layers that compute it, one after another.
  ///
  /// - Parameter ordinal: how many layers of this kind are before it in the network.
  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>]
}

extension NodeKind {
  func append(
    to graph: inout NetworkGraph, reading value: Int, initialization: Initialization?,
    _ place: LayerPlace
  ) throws(NetworkDescriptionError) -> Int {
    do {
      return try graph.append(self, reading: value, initialization, place.path)
    } catch { throw place.error(error, name) }
  }
}

/// A kind of layer that has neither parameters nor anything else to keep.
protocol ParameterlessKind: NodeKind {}

extension ParameterlessKind {
  static var isInitializable: Bool { false }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] { [] }
  func state(for shape: [Int]) -> RunningStatistics? { nil }
  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }
}

/// What a layer wants its input to be.
enum InputForm {
  /// An image's channels may be first or last.
  case any
  case channelsFirst
  case channelsLast
  /// Whole numbers from 0 to below the vocabulary.
  case tokens(vocabulary: Int)
}

/// Statistics that follow those of training's batches: running ← (1 − momentum)·running +
/// momentum·statistic.
struct RunningStatistics {
  let tensors: [LayerTensor]
  let momentum: Double
  /// Elements of an example that are taken together for one statistic.
  let elements: Int
}

/// What Kronecker-factored curvature knows of a layer.
struct LayerForm {
  /// Weights whose Gauss–Newton blocks have the form B ⊗ A.
  var weights: [KroneckerForm] = []
  /// Which of the layer's tensors, one behind the other, have a block made of the examples' own
  /// gradients.
  var block: Range<Int>?
  /// Whether the positions of a sequence or an image come together in it.
  var isPooling = false

  /// No parameters with curvature, and each position by itself.
  static let none = LayerForm()
}

/// A weight [outputs, inputs] row-major that an example's positions share, or the outputs of one
/// group of it.
struct KroneckerForm {
  /// Index of the weight among the layer's tensors.
  var tensor = 0
  /// Which group's outputs it is, where the weight has several.
  var group: Int?
  let inputs: Int
  let outputs: Int
  /// Whether a bias [outputs] is the next tensor, and has the last column of the block's matrix.
  let hasBias: Bool
  let positions: Int
  var isEmbedding = false
  /// Numbers of an example's inputs as the collector sees them; nil where they are the layer's.
  var exampleInputs: Int?
  /// Elements an example that are copied to be seen: the layer's `statisticsCount`.
  var copied = 0
}

/// One of the layers that compute a node of the graph.
struct LayerStep<Element: Scalar> {
  let layer: any Layer<Element>
  /// Which of the node's tensors are its own.
  let tensors: Range<Int>
}
