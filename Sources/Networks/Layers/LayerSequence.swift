/// Describes layers applied one after another.
struct LayerSequence: LayerKind {
  let layers: [LayerDescription]

  static let names = ["sequence"]
  static let isInitializable = false
  var recorded: (name: String, fields: [(label: String?, value: Any)]) {
    ("sequence", [(nil, layers)])
  }

  func append(
    to graph: inout NetworkGraph, reading value: Int, initialization: Initialization?,
    _ place: LayerPlace
  ) throws(NetworkDescriptionError) -> Int {
    guard !layers.isEmpty else { throw place.error(LayerProblem("has no layers"), name) }
    return try graph.append(layers, reading: value, within: place)
  }
}

extension LayerSequence {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    layers = try fields.layers("layers") ?? []
  }
}

extension LayerDescription {
  /// Returns a layer that applies the layers one after another.
  public static func sequence(_ layers: [LayerDescription]) -> LayerDescription {
    LayerDescription(LayerSequence(layers: layers))
  }
}
