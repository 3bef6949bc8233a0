import Foundation
import Networks
import Testing

@Suite struct ModelFileTests {
  static let small = """
    # A small network.
    input: [1, 8, 8]
    layers:
      - conv2d: {in: 1, out: 6, kernel: 3, padding: 1}
      - relu
      - max-pool2d: {kernel: 2}
      - flatten
      - linear: {in: 96, out: 10}
    """

  @Test("a small model file is read") func smallModel() throws {
    let expected: [LayerDescription] = [
      .conv2d(inputs: 1, outputs: 6, kernel: 3, padding: 1), .relu, .maxPool2d(kernel: 2),
      .flatten, .linear(inputs: 96, outputs: 10),
    ]
    let description = try NetworkDescription(yaml: Self.small, file: "small.yaml")
    #expect(description.input == [1, 8, 8])
    #expect(description.layers == expected)
  }

  @Test("every layer and option is read") func allLayersAndOptions() throws {
    let yaml = """
      layers:
        - conv2d: {in: 2, out: 3, kernel: 3, stride: 2, padding: 2, bias: false}
        - tanh
        - max-pool: {kernel: 3, stride: 1, padding: 1}
        - average-pool2d:
            kernel: 2
        - gelu: {}
        - average-pool: {kernel: 2, stride: 1, padding: 1}
        - flatten:
        - sigmoid
        - linear: {out: 5, in: 48, bias: false}
        - relu
        - linear: {in: 5, out: 2, bias: true}
      input:
        - 2
        - 11
        - 11
      """
    let description = try NetworkDescription(yaml: yaml, file: "all.yaml")
    #expect(
      description.layers == [
        .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 2, padding: 2, bias: false), .tanh,
        .maxPool2d(kernel: 3, stride: 1, padding: 1), .averagePool2d(kernel: 2), .gelu,
        .averagePool2d(kernel: 2, stride: 1, padding: 1), .flatten, .sigmoid,
        .linear(inputs: 48, outputs: 5, bias: false), .relu, .linear(inputs: 5, outputs: 2),
      ])
  }

  /// Checkpoints identify a network by its layers' text, which must not change.
  @Test("the text of a layer in checkpoints has not changed") func recordedLayers() {
    func kind(_ text: String, name: String = "nil", initialization: String = "nil") -> String {
      "Networks.LayerDescription(kind: Networks.LayerDescription.Kind.\(text), name: \(name), "
        + "initialization: \(initialization))"
    }
    let relu = kind("activation(LinearAlgebra.Activation.relu)")
    let plain = "conv2d(inputs: 4, outputs: 6, kernel: 3, stride: 1, padding: 0"
    for (layer, text) in [
      (LayerDescription.relu, relu), (.flatten, kind("flatten")),
      (
        .linear(inputs: 3, outputs: 2).named("head").initialized(.kaimingNormal),
        kind(
          "linear(inputs: 3, outputs: 2, bias: true)", name: "Optional(\"head\")",
          initialization: "Optional(Networks.Initialization("
            + "scheme: Networks.Initialization.Scheme.kaimingNormal, scale: 1.0))")
      ),
      (.conv2d(inputs: 4, outputs: 6, kernel: 3), kind("\(plain), bias: true)")),
      (
        .conv2d(inputs: 4, outputs: 6, kernel: 3, groups: 2, bias: false),
        kind("\(plain), groups: 2, bias: false)")
      ),
      (.sequence([.relu, .relu]), kind("sequence([\(relu), \(relu)])")),
      (.add([.relu]), kind("add([\(relu)], shortcut: nil)")),
      (.add([.relu], shortcut: .relu), kind("add([\(relu)], shortcut: Optional(\(relu)))")),
    ] {
      #expect("\([layer])" == "[\(text)]")
    }
  }

  @Test("groups and dilation are read") func groupsAndDilation() throws {
    let yaml = """
      input: [4, 9, 9]
      layers:
        - conv2d: {in: 4, out: 6, kernel: 3, padding: 2, dilation: 2, groups: 2}
        - conv2d: {in: 6, out: 6, kernel: 3, groups: 6, bias: false}
        - flatten
      """
    #expect(
      try NetworkDescription(yaml: yaml, file: "groups.yaml").layers == [
        .conv2d(inputs: 4, outputs: 6, kernel: 3, padding: 2, dilation: 2, groups: 2),
        .conv2d(inputs: 6, outputs: 6, kernel: 3, groups: 6, bias: false), .flatten,
      ])
  }

  /// Other tools write JSON, or YAML with sorted keys, quotes, null, and true for yes.
  @Test("models written by other tools are read") func otherTools() throws {
    let yaml = """
      input: [2, 4, 4]
      layers:
        - conv2d: {in: 2, out: 3, kernel: 3, bias: no, init: kaiming-normal, name: }
        - add: {layers: [relu], shortcut: }
        - flatten:
        - linear: {in: 12, out: 4, bias: on}
        - sequence: {name: '', layers: [{linear: {in: 4, out: 2, bias: Yes, init: }}]}
      """
    let expected = try NetworkDescription(yaml: yaml, file: "m.yaml")
    #expect(
      expected.layers == [
        .conv2d(inputs: 2, outputs: 3, kernel: 3, bias: false).named("")
          .initialized(.kaimingNormal),
        .add([.relu]), .flatten, .linear(inputs: 12, outputs: 4),
        .sequence([.linear(inputs: 4, outputs: 2)]).named(""),
      ])
    let json = """
      {"input": [2, 4, 4], "layers": [{"conv2d": {"in": 2, "out": 3, "kernel": 3, "bias": false, \
      "init": "kaiming-normal", "name": null}}, {"add": {"layers": ["relu"], "shortcut": null}}, \
      {"flatten": null}, {"linear": {"in": 12, "out": 4, "bias": true}}, {"sequence": {"name": "", \
      "layers": [{"linear": {"in": 4, "out": 2, "bias": true, "init": null}}]}}]}
      """
    let sorted = """
      'input':
      - 2
      - 4
      - 4
      "layers":
      - conv2d:
          bias: FALSE
          in: 2
          init: 'kaiming-normal'
          kernel: 3
          name: null
          out: 3
      - add:
          layers:
          - relu
          shortcut: ~
      - flatten: null
      - 'linear':
          bias: true
          'in': 12
          out: 4
      - sequence:
          layers:
          - linear:
              bias: True
              in: 4
              init: null
              out: 2
          name: ''
      """
    let compact = json.replacing(": ", with: ":").replacing(", ", with: ",")
    for text in [json, compact, sorted, json.replacing(", ", with: ",\n\t"), "\u{FEFF}" + yaml] {
      #expect(try NetworkDescription(yaml: text, file: "m") == expected)
    }
  }

  @Test(
    "YAML's words for true and false are read",
    arguments: [
      ("true", true), ("True", true), ("TRUE", true), ("yes", true), ("Yes", true), ("YES", true),
      ("on", true), ("On", true), ("ON", true), ("false", false), ("False", false),
      ("FALSE", false),
      ("no", false), ("No", false), ("NO", false), ("off", false), ("Off", false), ("OFF", false),
      ("y", nil), ("tRue", nil), ("1", nil), ("", nil),
    ])
  func yamlBooleans(_ word: String, _ value: Bool?) {
    #expect(Bool(yaml: word) == value)
  }

  @Test("residual blocks and transformers are read") func blocks() throws {
    let image = """
      input: [3, 8, 8]
      layers:
        - conv2d: {name: stem, in: 3, out: 4, kernel: 3, padding: 1, init: kaiming-normal}
        - batch-norm: {name: bn, momentum: 0.2, epsilon: 1e-3}
        - add:
            name: block
            layers:
              - conv2d: {name: conv, in: 4, out: 6, kernel: 3, stride: 2, padding: 1,
                  init: uniform, init-scale: 2}
              - batch-norm
            shortcut:
              - conv2d: {in: 4, out: 6, kernel: 1, stride: 2, bias: false}
        - add: {layers: [{sequence: {name: '', layers: [gelu, {dropout: {probability: 0.1}}]}}]}
        - global-average-pool
        - linear: {in: 6, out: 2, init: normal, init-scale: 0.02}
      """
    #expect(
      try NetworkDescription(yaml: image, file: "image.yaml").layers == [
        .conv2d(inputs: 3, outputs: 4, kernel: 3, padding: 1).named("stem")
          .initialized(.kaimingNormal),
        .batchNorm(momentum: 0.2, epsilon: 1e-3).named("bn"),
        .add(
          [
            .conv2d(inputs: 4, outputs: 6, kernel: 3, stride: 2, padding: 1).named("conv")
              .initialized(Initialization(.uniform, scale: 2)), .batchNorm,
          ],
          shortcut: .sequence([
            .conv2d(inputs: 4, outputs: 6, kernel: 1, stride: 2, bias: false)
          ]).named("shortcut")
        ).named("block"),
        .add([.sequence([.gelu, .dropout(0.1)]).named("")]), .globalAveragePool,
        .linear(inputs: 6, outputs: 2).initialized(.normal(std: 0.02)),
      ])
    let text = """
      input: [16]
      layers:
        - embedding: {vocabulary: 256, width: 8}
        - position-embedding: {init: normal, init-scale: 0.01}
        - add: {layers: [layer-norm: {epsilon: 1e-6}, attention: {heads: 2, causal: true}]}
        - linear: {in: 8, out: 256}
      """
    let description = try NetworkDescription(yaml: text, file: "text.yaml")
    #expect(
      description.layers == [
        .embedding(vocabulary: 256, width: 8), .positionEmbedding.initialized(.normal(std: 0.01)),
        .add([.layerNorm(epsilon: 1e-6), .attention(heads: 2, isCausal: true)]),
        .linear(inputs: 8, outputs: 256),
      ])
    #expect(description.positions == 16 && description.outputCount == 256)
  }

  /// A layer within an image [4, 8, 8], and the message after the file and line.
  static let badBlocks: [(String, String)] = [
    ("add: {layers: [flatten]}", "layer 1 (add): adds shapes that differ: layer 1.0 (flatten) gi"),
    ("add: {layers: []}", "layer 1 (add): has no layers"),
    ("add: {shortcut: [relu]}", "layer 1 (add): has no layers"),
    ("sequence: {layers: relu}", "layer 1 (sequence): layers: expected a list of layers, got 'rel"),
    ("add: {layers: [linear: {in: 4, out: 4}]}", "layer 1.0 (linear): expects one dimension of 4"),
    (
      "add: {layers: [relu], shortcut: [relu, tanh: {a: 1}]}", "layer 1.0.1 (tanh): unknown key 'a'"
    ),
    (
      "sequence: {name: a, layers: [batch-norm: {epsilon: 0}]}", "layer a.0 (batch-norm): epsilon m"
    ),
    ("batch-norm: {momentum: 2}", "layer 1 (batch-norm): momentum must be in [0, 1], got 2.0"),
    ("dropout: {probability: 1}", "layer 1 (dropout): probability must be in [0, 1), got 1.0"),
    ("dropout: {probability: x}", "layer 1 (dropout): probability: expected a number, got 'x'"),
    ("layer-norm", "layer 1 (layer-norm): expects [features] or [positions, features], layer 0 (c"),
    (
      "embedding: {vocabulary: 9, width: 4}",
      "layer 1 (embedding): expects the tokens of the input, "
    ),
    ("position-embedding", "layer 1 (position-embedding): expects [positions, features], layer 0"),
    ("attention: {heads: 2}", "layer 1 (attention): expects [positions, features] with features a"),
    ("relu: {name: a}", "layer 0 (conv2d): two tensors are named '0.weight'"),
    (
      "conv2d: {in: 4, out: 4, kernel: 1, init-scale: 2}",
      "layer 1 (conv2d): init-scale applies only to"
    ),
    (
      "conv2d: {in: 4, out: 4, kernel: 1, init: normal, init-scale: nan}",
      "layer 1 (conv2d): the scale of its initial values must be at most 1e30, got nan"
    ),
    (
      "conv2d: {in: 4, out: 4, kernel: 1, init: he}", "layer 1 (conv2d): init: expected one of unif"
    ),
  ]

  @Test("a bad block is named with its line", arguments: badBlocks)
  func badBlock(_ layer: String, _ message: String) {
    let line = layer.contains("name: a}") ? 5 : 4
    expectError(
      """
      input: [4, 8, 8]
      layers:
        - conv2d: {in: 4, out: 4, kernel: 1}
        - \(layer)
        - conv2d: {in: 4, out: 4, kernel: 1, name: '0'}
      """, "bad.yaml:\(line): \(message)")
  }

  /// The text that replaces the fifth layer, and the message after `bad.yaml:8: layer 4`.
  static let badLayers: [(String, String)] = [
    ("linear: {in: 72, out: 10}", " (linear): expects 72 inputs, layer 3 (flatten) gives 96"),
    ("lineal: {in: 96, out: 10}", ": unknown layer 'lineal'; known: linear, conv2d, max-pool2d, "),
    ("linear: {in: 96}", " (linear): the key out is missing"),
    ("linear:", " (linear): the key in is missing"),
    ("linear: {in: 96, out: 10, biass: true}", " (linear): unknown key 'biass'; expected in, out"),
    ("linear: {in: 96, out: ten}", " (linear): out: expected an integer, got 'ten'"),
    ("linear: {in: 96, out: '10'}", " (linear): out: expected an integer, got '10'"),
    ("linear: {in: 96, out: 1.5}", " (linear): out: expected an integer, got '1.5'"),
    ("linear: {in: 96, out: [10]}", " (linear): out: expected an integer, got a list"),
    ("linear: {in: 96, out: 99999999999999999999}", " (linear): out: expected an integer, got"),
    ("linear: {in: 96, out: 0}", " (linear): out must be from 1 to 2147483647, got 0"),
    ("linear: {in: 96, out: -3}", " (linear): out must be from 1 to 2147483647, got -3"),
    ("linear: {in: 96, out: 9223372036854775807}", " (linear): out must be from 1 to 21474836"),
    ("linear: {in: 96, out: 2000000000}", " (linear): weight of shape [2000000000, 96] makes mor"),
    ("linear: {in: 96, out: 10, bias: 1}", " (linear): bias: expected true or false, got '1'"),
    ("linear: {in: 96, out: null}", " (linear): the key out is missing"),
    ("linear: [96, 10]", " (linear): expected options such as {kernel: 2}, got a list"),
    ("relu: {kernel: 2}", " (relu): unknown key 'kernel'; expected name"),
    ("[relu, tanh]", ": expected a layer such as relu or linear: {in: 96, out: 10}, got a list"),
    ("{relu: , tanh: }", ": expected a layer such as relu or linear: {in: 96, out: 10}, got a ma"),
    ("conv2d: {in: 1, out: 2, kernel: 3}", " (conv2d): expects [channels, height, width], laye"),
    ("max-pool2d: {kernel: 2}", " (max-pool2d): expects [channels, height, width], layer 3 (fla"),
  ]

  @Test("a bad layer is named with its line", arguments: badLayers)
  func badLayer(_ layer: String, _ message: String) {
    let yaml = Self.small.replacingOccurrences(of: "linear: {in: 96, out: 10}", with: layer)
    expectError(yaml, "bad.yaml:8: layer 4" + message)
  }

  /// A text of the small model, its replacement, and the beginning of the message.
  static let badFiles: [(String, String, String)] = [
    ("in: 1,", "in: 2,", "bad.yaml:4: layer 0 (conv2d): expects 2 channels, the input gives 1 in"),
    ("kernel: 3", "kernel: 11", "bad.yaml:4: layer 0 (conv2d): kernel 11 is larger than the imag"),
    ("kernel: 3", "kernel: 0", "bad.yaml:4: layer 0 (conv2d): kernel must be from 1 to"),
    ("kernel: 3", "kernel: 2147483647", "bad.yaml:4: layer 0 (conv2d): a window of 2147483647×"),
    ("padding: 1", "padding: -1", "bad.yaml:4: layer 0 (conv2d): padding must be from 0 to"),
    ("padding: 1", "padding: 2147483647", "bad.yaml:4: layer 0 (conv2d): an image of [1, 4294"),
    ("padding: 1", "stride: 0", "bad.yaml:4: layer 0 (conv2d): stride must be from 1 to"),
    ("padding: 1", "dilation: 0", "bad.yaml:4: layer 0 (conv2d): dilation must be from 1 to"),
    (
      "padding: 1", "dilation: 2147483647",
      "bad.yaml:4: layer 0 (conv2d): kernel 3 with dilation 2147483647 is larger than the image"
    ),
    ("padding: 1", "groups: 0", "bad.yaml:4: layer 0 (conv2d): groups must be from 1 to"),
    (
      "padding: 1", "groups: 4",
      "bad.yaml:4: layer 0 (conv2d): groups must divide in and out, got 4 groups of 1 and 6"
    ),
    ("kernel: 2", "kernel: 2, padding: 2", "bad.yaml:6: layer 2 (max-pool2d): padding 2 is more"),
    ("  - flatten\n", "", "bad.yaml:7: layer 3 (linear): expects one dimension of 96 inputs, lay"),
    ("[1, 8, 8]", "[1, 8, 0]", "bad.yaml:2: input must be positive sizes with a product up to"),
    ("[1, 8, 8]", "[2000000, 2000000, 2000000]", "bad.yaml:2: input must be positive sizes with"),
    ("[1, 8, 8]", "[]", "bad.yaml:2: input must be positive sizes with a product up to"),
    ("[1, 8, 8]", "[1, x, 8]", "bad.yaml:2: input: expected a list of positive integers such as"),
    ("[1, 8, 8]", "64", "bad.yaml:2: input: expected a list of positive integers such as [1, 28"),
    ("input:", "inputs:", "bad.yaml:2: unknown key 'inputs'; expected input and layers"),
    ("input:", "\"inputs\":", "bad.yaml:2: unknown key 'inputs'; expected input and layers"),
    ("layers:", "\"input\":", "bad.yaml:2: key given twice: 'input'"),
    ("input: [1, 8, 8]", "input:", "bad.yaml:2: input: expected a list of positive integers"),
    ("input: [1, 8, 8]\n", "", "bad.yaml:2: the key input is missing"),
    ("layers:", "input:", "bad.yaml:2: key given twice: 'input'"),
    ("layers:", "layers: x\nothers:", "bad.yaml:3: layers: expected a list of layers, got 'x'"),
    ("[1, 8, 8]", "[1, 8, 8", "bad.yaml:3: is not YAML: did not find expected ',' or ']'"),
    ("[1, 8, 8]", "\u{1}", "bad.yaml: is not YAML: control characters are not allowed"),
    (
      "[1, 8, 8]", "\"a\\n\\e[2J\"",
      "bad.yaml:2: input: expected a list of positive integers such as [1, 28, 28], "
        + "got 'a\\n\\u{1B}[2J'"
    ),
    ("[1, 8, 8]", "&a [*a]", "bad.yaml: contains & and *: YAML anchors and aliases are not supp"),
  ]

  @Test("a bad file is refused with its line", arguments: badFiles)
  func badFile(_ text: String, _ replacement: String, _ message: String) {
    expectError(Self.small.replacingOccurrences(of: text, with: replacement), message)
  }

  @Test("a file that is not a model is refused") func notAModel() throws {
    expectError("", "bad.yaml: is empty; expected the keys input and layers")
    expectError("just words", "bad.yaml:1: expected the keys input and layers, got 'just words'")
    expectError("- relu", "bad.yaml:1: expected the keys input and layers, got a list")
    expectError("input: [4]\nlayers: []", "bad.yaml:2: layers is empty: a network needs at least")
    expectError("input: [4]", "bad.yaml: the key layers is missing")
    expectError("input: [4]\nlayers: [relu]", "bad.yaml:2: no layer has parameters")
    expectError(
      "input: [1, 4, 4]\nlayers:\n- conv2d: {in: 1, out: 2, kernel: 3}",
      "bad.yaml:3: layer 0 (conv2d): gives [2, 2, 2]: the last layer must give one dimension")
    expectError(String(repeating: "[", count: 100_000), "bad.yaml")
  }

  @Test("built-in models refuse inputs that they cannot read") func builtInInputs() {
    let flat = #expect(throws: NetworkDescriptionError.self) {
      try NetworkDescription.cnn(input: [64], classes: 10)
    }
    #expect(flat?.description == "cnn expects an input [channels, height, width], got [64]")
    let tiny = #expect(throws: NetworkDescriptionError.self) {
      try NetworkDescription.cnn(input: [1, 3, 3], classes: 10)
    }
    #expect(tiny?.description.hasPrefix("layer 5 (max-pool2d): kernel 2 is larger") == true)
    let empty = #expect(throws: NetworkDescriptionError.self) {
      try NetworkDescription.mlp(input: [1, 8, 8], classes: 0)
    }
    #expect(empty?.description == "layer 5 (linear): out must be from 1 to 2147483647, got 0")
    #expect(throws: NetworkDescriptionError.self) {
      try NetworkDescription.mlp(input: [.max, .max, -1], classes: 3)
    }
  }

  func expectError(_ yaml: String, _ message: String) {
    let error = #expect(throws: NetworkDescriptionError.self) {
      try NetworkDescription(yaml: yaml, file: "bad.yaml")
    }
    let description = error?.description ?? "nothing"
    #expect(description.hasPrefix(message), "\(description)")
    #expect(!description.contains("\n"))
  }
}
