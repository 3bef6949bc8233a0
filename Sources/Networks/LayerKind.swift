import LinearAlgebra

/// Describes a kind of layer: its computation and the fields of its description.
///
/// Each kind is a value in its own file under `Layers`, next to its computation, and is listed in
/// `LayerDescription.kinds`. Kinds made of other layers conform to this protocol alone; all others
/// conform to `NodeKind`.
protocol LayerKind: Sendable, Equatable {
  /// Names in model files, in the order of messages.
  static var names: [String] { get }
  /// Other names that model files may use.
  static var aliases: [String] { get }
  /// True if a model file may set the initial weights.
  static var isInitializable: Bool { get }

  /// Reads the fields of a layer that has this name in a model file.
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError)

  /// Name in model files.
  var name: String { get }

  /// Case and fields in the text by which checkpoints identify networks. A field added later is
  /// left out while its value means what layers without the field did.
  var recorded: (name: String, fields: [(label: String?, value: Any)]) { get }

  /// Appends the layer to a graph.
  ///
  /// - Returns: the value that the layer computes.
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

/// Locates a layer in a description.
struct LayerPlace {
  /// Names of the enclosing layers and its own, joined by points.
  let path: String
  /// Its indices in the lists of the enclosing layers.
  let position: [Int]

  func error(_ problem: LayerProblem, _ name: String) -> NetworkDescriptionError {
    NetworkDescriptionError(layer: path, layerName: name, position: position, problem.message)
  }
}

/// Describes a kind of layer that is one node of a network's graph. Nothing here has a default.
protocol NodeKind: LayerKind {
  /// Form of the input that it requires.
  var input: InputForm { get }

  /// Returns the output's shape for an input of `shape`, which `giver` ("layer 3 (relu)") produces.
  ///
  /// - Throws: `LayerProblem` if the layer's own sizes are wrong or do not match `shape`.
  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int]

  /// Returns the parameters for inputs of `shape`, in PyTorch's order: weights before biases.
  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor]

  /// Returns the running statistics; nil if the layer has none.
  func state(for shape: [Int]) -> RunningStatistics?

  /// Returns the layer's form for Kronecker-factored curvature.
  func curvature(for shape: [Int]) -> LayerForm

  /// Returns the products with an input that each weight enters, per example; 0 if there are none.
  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int

  /// Returns the layers that compute the node, in order.
  ///
  /// - Parameter ordinal: number of layers of this kind before it in the network.
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

/// Describes a kind of layer that has neither parameters nor running statistics.
protocol ParameterlessKind: NodeKind {}

extension ParameterlessKind {
  static var isInitializable: Bool { false }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] { [] }
  func state(for shape: [Int]) -> RunningStatistics? { nil }
  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }
}

/// Selects the form that a layer requires of its input.
enum InputForm {
  /// Any layout; an image's channels may be first or last.
  case any
  case channelsFirst
  case channelsLast
  /// Whole numbers from 0 to below the vocabulary.
  case tokens(vocabulary: Int)
}

/// Describes statistics that follow those of the training batches:
///
///     running ← (1 − momentum)·running + momentum·statistic
struct RunningStatistics {
  let tensors: [LayerTensor]
  let momentum: Double
  /// Elements of an example that enter one statistic.
  let elements: Int
}

/// Describes a layer for Kronecker-factored curvature.
struct LayerForm {
  /// Weights whose Gauss–Newton blocks have the form B ⊗ A.
  var weights: [KroneckerForm] = []
  /// Consecutive tensors of the layer whose block is made of the examples' own gradients.
  var block: Range<Int>?
  /// True if the layer pools the positions of a sequence or an image.
  var isPooling = false

  /// No parameters with curvature, and no pooling.
  static let none = LayerForm()
}

/// Describes a weight [outputs, inputs] row-major that an example's positions share, or the outputs
/// of one of its groups.
struct KroneckerForm {
  /// Index of the weight among the layer's tensors.
  var tensor = 0
  /// Index of the group of outputs, if the weight has several.
  var group: Int?
  let inputs: Int
  let outputs: Int
  /// True if the next tensor is a bias [outputs], the last column of the block's matrix.
  let hasBias: Bool
  let positions: Int
  var isEmbedding = false
  /// Numbers in an example's inputs as the collector sees them; nil if they are the layer's.
  var exampleInputs: Int?
  /// Elements copied per example to show them: the layer's `statisticsCount`.
  var copied = 0
}

/// Holds one of the layers that compute a node of the graph.
struct LayerStep<Element: Scalar> {
  let layer: any Layer<Element>
  /// Range of the node's tensors that belong to the layer.
  let tensors: Range<Int>
}
