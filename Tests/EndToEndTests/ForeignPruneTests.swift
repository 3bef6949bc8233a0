import Formats
import Foundation
import Support
import Testing

/// Tests the pruning program on files of weights and gradients, and with stages kept in a
/// directory.
@Suite(.serialized) struct ForeignPruneTests {
  let directory = try! TemporaryDirectory()
  private static let model = """
    input: [1, 8, 8]
    layers:
      - conv2d: {in: 1, out: 6, kernel: 3, padding: 1, bias: false}
      - batch-norm
      - relu
      - max-pool2d: {kernel: 2}
      - flatten
      - linear: {in: 96, out: 20}
      - relu
      - linear: {in: 20, out: 10}
    """
  static let method = ["--method", "mfac", "--damping", "1e-3", "--sparsity", "0.9"]

  /// Returns the model file and the weights of a briefly trained network.
  func trained() throws -> (model: String, weights: String) {
    (
      try directory.write(Self.model, to: "model.yaml"),
      try TrainedDigits.weights(
        of: Self.model, ["--epochs", "3", "--batch-size", "32", "--momentum", "0.9"])
    )
  }

  /// Writes a file of the network's gradients at some weights and returns its path.
  func gradients(
    of weights: String, rows: Range<Int> = 0..<40, to name: String
  ) throws -> String {
    let path = directory.path(name)
    let outcome = try Program.run(
      Program.process(
        ranks: nil, program: Program.ranksCheck,
        [
          "gradients", try trained().model, weights, "\(rows.lowerBound)", "\(rows.count)", path,
        ]))
    try #require(outcome.status == 0, "\(outcome.errors)")
    return path
  }

  func run(ranks: Int? = nil, _ arguments: [String]) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: ranks, program: Program.prune, arguments))
  }

  /// Prunes and returns the bytes of weights and masks.
  func prune(
    ranks: Int? = nil, _ arguments: [String], to name: String
  ) throws -> [Data] {
    let outcome = try run(ranks: ranks, arguments + ["--output", directory.path(name)])
    try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
    return try files(name)
  }

  func files(_ name: String) throws -> [Data] {
    try ["model", "masks"].map { try bytes("\(directory.path(name))/\($0).safetensors") }
  }

  func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  func local(_ arguments: [String]) throws -> [String] {
    let (model, weights) = try trained()
    return ["--dataset", "digits", "--model", model, "--weights", weights, "--gradients", "40"]
      + Self.method + arguments
  }

  /// The network's gradients from a file of either form give the same result as the network, for
  /// any number of ranks. This network has no running statistics.
  @Test("gradients from files give the same result as the network") func gradientFiles() throws {
    let weights = try trained().weights
    let expected = try prune(local([]), to: "own")
    for (index, name) in ["g.safetensors", "g.npy"].enumerated() {
      let file = try gradients(of: weights, to: name)
      for ranks in rankCounts(forSettings: index) {
        let output = "\(name)-\(ranks ?? 0)"
        let pruned = try prune(
          ranks: ranks, ["--weights", weights, "--gradients", file] + Self.method, to: output)
        #expect(pruned == expected, "\(output)")
      }
    }
    let report = try JSONSerialization.jsonObject(
      with: bytes("\(directory.path("g.npy-3"))/report.json"))
    let result = try #require(((report as? [String: Any])?["results"] as? [[String: Any]])?[0])
    #expect(result["predicted_change"] as? Double ?? 0 > 0 && result["quality"] == nil)
    #expect((result["tensors"] as? [Any])?.count == 7)
  }

  /// Types, order, metadata, and all tensors without gradients are those of the input.
  @Test("tensors that are not pruned are carried over") func carriedOver() throws {
    func data(_ count: Int, _ type: TensorType, from first: Int) -> [UInt8] {
      (first..<first + count).flatMap { i -> [UInt8] in
        let x = Float(i * 37 % 64 - 31) / 16
        return switch type {
        case .float16: withUnsafeBytes(of: Float16(x).bitPattern) { Array($0) }
        case .bfloat16: withUnsafeBytes(of: UInt16(x.bitPattern >> 16)) { Array($0) }
        case .float64: withUnsafeBytes(of: Double(x)) { Array($0) }
        default: withUnsafeBytes(of: x) { Array($0) }
        }
      }
    }
    let tensors: [(name: String, type: TensorType, shape: [Int], hasGradients: Bool)] = [
      ("count", .int64, [1], false), ("double", .float64, [4, 6], true),
      ("norm.running_var", .float32, [8], false), ("single", .float32, [5, 3], true),
      ("half", .float16, [2, 3, 4], true), ("index", .int32, [2, 2], false),
      ("brain", .bfloat16, [7, 2], true), ("bias", .float32, [5], true),
      ("frozen", .float32, [3, 3], false),
    ]
    func write(rows: Int?, to name: String) throws -> String {
      let written = tensors.filter { rows == nil || $0.hasGradients }
      try AtomicFile.write(to: directory.path(name)) { file throws(InputError) in
        try SafetensorsFile.write(
          written.map { ($0.name, $0.type, (rows.map { [$0] } ?? []) + $0.shape) },
          metadata: ["format": "pt"], to: file
        ) { index, memory in
          let type = written[index].type
          memory.copyBytes(
            from: data(memory.count / type.byteCount, type, from: index * 5 + (rows ?? 0)))
        }
      }
      return directory.path(name)
    }
    let weights = try write(rows: nil, to: "w.safetensors")
    let gradients = try write(rows: 9, to: "g.safetensors")
    let arguments = ["--weights", weights, "--gradients", gradients] + Self.method
    let refused = try run(arguments + ["--output", directory.path("none")])
    #expect(refused.errors.contains("'frozen'") && refused.errors.contains("no gradients"))
    let made = try Set(
      [nil, 1, 2, 3, 5, 8].map {
        try prune(ranks: $0, arguments + ["--exclude", "frozen"], to: "carried-\($0 ?? 0)")
      })
    #expect(made.count == 1)

    let (before, after) = (
      try SafetensorsFile(path: weights),
      try SafetensorsFile(path: "\(directory.path("carried-0"))/model.safetensors")
    )
    #expect(after.tensors == before.tensors && after.metadata == ["format": "pt"])
    for tensor in tensors {
      func bytes(_ file: SafetensorsFile) throws -> [UInt8] {
        let shape = file.tensor(tensor.name)!.shape
        var bytes = [UInt8](repeating: 0, count: shape.reduce(tensor.type.byteCount, *))
        try bytes.withUnsafeMutableBytes {
          try file.read(tensor.name, type: tensor.type, shape: shape, into: $0)
        }
        return bytes
      }
      // The bias is not pruned; its update compensates for pruned weights.
      #expect(
        try (bytes(before) == bytes(after)) == !tensor.hasGradients, "\(tensor.name)")
    }
    let masks = try SafetensorsFile(path: "\(directory.path("carried-0"))/masks.safetensors")
    #expect(masks.tensors.map(\.name) == ["double", "single", "half", "brain"])
  }

  @Test("files that do not match are refused") func mismatchedFiles() throws {
    let (model, weights) = try trained()
    let good = try gradients(of: weights, to: "good.safetensors")
    let file = try SafetensorsFile(path: good)
    /// Writes the gradients with a change.
    func write(
      _ name: String, _ change: (inout [(name: String, shape: [Int], values: [Float])]) -> Void
    ) throws -> String {
      var tensors =
        try file.tensors.map { ($0.name, $0.shape, try file.values($0.name, as: Float.self)) }
        as [(name: String, shape: [Int], values: [Float])]
      change(&tensors)
      let buffers = tensors.map { tensor in
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.values.count)
        _ = values.initialize(from: tensor.values)
        return (tensor.name, tensor.shape, UnsafeBufferPointer(values))
      }
      defer { for buffer in buffers { buffer.2.deallocate() } }
      try SafetensorsFile.write(buffers, to: directory.path(name))
      return directory.path(name)
    }
    let last = file.tensors.firstIndex { $0.name == "5.weight" }!
    let cases: [(arguments: [String], says: [String])] = [
      (
        ["--gradients", try write("missing.safetensors") { $0.remove(at: last) }],
        ["'5.weight'", "has no gradients", "--exclude"]
      ),
      (
        ["--gradients", try write("extra.safetensors") { $0[last].name = "5.weights" }],
        ["'5.weights' is not in"]
      ),
      (
        ["--gradients", try write("shape.safetensors") { $0[last].shape = [40, 96, 20] }],
        ["'5.weight'", "expected shape [40, 20, 96], got [40, 96, 20]"]
      ),
      (
        [
          "--gradients",
          try write("rows.safetensors") {
            $0[last].shape[0] = 39
            $0[last].values.removeLast(1920)
          },
        ], ["5.weight", "expected shape [", "20, 96], got [39, 20, 96]"]
      ),
      (
        ["--gradients", try write("nan.safetensors") { $0[last].values[7 * 1920 + 3] = .nan }],
        ["'5.weight', row 7", "not finite", "nan at element 3"]
      ),
      (["--gradients", good, "--model", model], ["--model", "if --gradients is a number"]),
      (["--gradients", good, "--dataset", "digits"], ["--dataset", "good.safetensors"]),
      (["--gradients", good, "--gradient-batch", "2"], ["--gradient-batch"]),
      (["--gradients", good, "--seed=0"], ["--seed"]),
      (["--gradients", good, "--stages", "2"], ["--stages", "--state", "got 2"]),
      (["--gradients", "none"], ["--gradients", "--method mfac", "none"]),
      (["--gradients", "g.pt"], ["g.pt", "--gradients"]),
      (["--gradients", "/nowhere.npy"], ["/nowhere.npy"]),
      (["--gradients", good, "--masks", good], ["good.safetensors", "not a mask"]),
      (["--gradients", good, "--include", "6.weight"], ["--include", "'6.weight'", "5.weight"]),
    ]
    for (arguments, says) in cases {
      for ranks in [nil, 3] {
        let output = directory.path("refused")
        let outcome = try run(
          ranks: ranks, ["--weights", weights, "--output", output] + Self.method + arguments)
        #expect(outcome.status != 0, "\(arguments)")
        #expect(
          outcome.errors.components(separatedBy: "Error: ").count == 2,
          "\(arguments): \(outcome.errors)")
        for part in says {
          #expect(outcome.errors.contains(part), "'\(part)' in \(outcome.errors)")
        }
        #expect(!outcome.errors.contains("Fatal") && !outcome.errors.contains("***"))
        #expect(!FileManager.default.fileExists(atPath: output), "\(arguments)")
      }
    }
    // Weights without gradients can be pruned by magnitude.
    _ = try prune(
      ["--weights", weights, "--gradients", "none", "--sparsity", "0.5"], to: "magnitude")
  }
}
