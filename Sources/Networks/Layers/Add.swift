import LinearAlgebra

/// Describes a residual block: body(x) + shortcut(x), or body(x) + x without a shortcut.
struct Add: LayerKind {
  let body: [LayerDescription]
  let shortcut: LayerDescription?

  static let names = ["add"]
  static let isInitializable = false
  var recorded: (name: String, fields: [(label: String?, value: Any)]) {
    ("add", [(nil, body), ("shortcut", shortcut as Any)])
  }

  func append(
    to graph: inout NetworkGraph, reading value: Int, initialization: Initialization?,
    _ place: LayerPlace
  ) throws(NetworkDescriptionError) -> Int {
    guard !body.isEmpty else { throw place.error(LayerProblem("has no layers"), name) }
    let result = try graph.append(body, reading: value, within: place)
    var other = value
    if let shortcut {
      let branch = LayerPlace(path: place.path, position: place.position + [-1])
      other = try graph.append(
        [shortcut.name == nil ? shortcut.named("shortcut") : shortcut], reading: value,
        within: branch)
    }
    do {
      return try graph.append(sumOf: result, other, place.path)
    } catch { throw place.error(error, name) }
  }
}

extension Add {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    body = try fields.layers("layers") ?? []
    shortcut = try fields.layers("shortcut", branch: [-1, 0]).map {
      .sequence($0).named("shortcut")
    }
  }
}

extension LayerDescription {
  /// Returns a residual block: body(x) + shortcut(x), or body(x) + x without a shortcut.
  public static func add(
    _ body: [LayerDescription], shortcut: LayerDescription? = nil
  ) -> LayerDescription {
    LayerDescription(Add(body: body, shortcut: shortcut))
  }
}

/// Computes y = x + addend. The gradient of the output is that of both inputs.
struct AdditionLayer<Element: Scalar>: FactorlessLayer {
  let outputCount: Int

  var outputPlace: OutputPlace { .overInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.add(count: call.examples * outputCount, x, call.addend!, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let count = call.examples * outputCount
    if let x = tangents.x, let addend = tangents.addend {
      Element.add(count: count, x, addend, into: tangents.y)
    } else if let only = tangents.x ?? tangents.addend, only != UnsafePointer(tangents.y) {
      tangents.y.update(from: only, count: count)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {}
}
