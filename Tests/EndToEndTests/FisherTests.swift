import Formats
import Foundation
import Support
import Testing

/// Tests the program for queries of the inverse Fisher matrix.
@Suite(.serialized) struct FisherTests {
  private let directory = try! TemporaryDirectory()
  private static let damping = 0.25
  /// Numbers that single precision holds exactly.
  private static let gradient: [Float] = [1, -2, 0.5, 3, 0, -0.25]
  private static let vectors: [[Float]] = [[1, 0, 0, 0, 0, 0], gradient, [0, 1, 1, -1, 2, 4]]

  /// Writes weights 'b' [2] and 'a' [2, 2], gradients of one row, and vectors.
  private func writeFiles() throws {
    func write(_ tensors: [(String, [Int], [Float])], _ name: String) throws {
      let values = tensors.map { tensor in
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.2.count)
        _ = buffer.initialize(fromContentsOf: tensor.2)
        return buffer
      }
      defer { for buffer in values { buffer.deallocate() } }
      try SafetensorsFile.write(
        zip(tensors, values).map { ($0.0, $0.1, UnsafeBufferPointer($1)) },
        to: directory.path(name))
    }
    try write([("b", [2], [1, 2]), ("a", [2, 2], [3, 4, 5, 6])], "w.safetensors")
    // The tensors are in another order than the weights.
    func rows(_ rows: [[Float]]) -> [(String, [Int], [Float])] {
      [
        ("a", [rows.count, 2, 2], rows.flatMap { $0[2...] }),
        ("b", [rows.count, 2], rows.flatMap { $0[..<2] }),
      ]
    }
    try write(rows([Self.gradient]), "g.safetensors")
    try write(rows(Self.vectors), "v.safetensors")
  }

  private func ask(ranks: Int? = nil, _ arguments: [String]) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: ranks, program: Program.fisher, arguments))
  }

  private func foreign(_ query: String, _ arguments: [String]) throws -> Program.Outcome {
    try ask(
      [
        query, "--weights", directory.path("w.safetensors"), "--gradients",
        directory.path("g.safetensors"), "--damping", "\(Self.damping)",
      ] + arguments)
  }

  /// The inverse for one gradient g is `F⁻¹x = (x − g(gᵀx)/(λ + ‖g‖²))/λ`.
  @Test("answers equal the closed form for one gradient") func closedForm() throws {
    try writeFiles()
    let g = Self.gradient.map(Double.init)
    let total = Self.damping + g.reduce(0) { $0 + $1 * $1 }
    func inverse(_ x: [Double]) -> [Double] {
      let product = zip(g, x).reduce(0) { $0 + $1.0 * $1.1 }
      return zip(g, x).map { ($1 - $0 * product / total) / Self.damping }
    }
    let expected = Self.vectors.map { inverse($0.map(Double.init)) }

    func answer(_ query: String, _ name: String, _ arguments: [String]) throws -> SafetensorsFile {
      let path = directory.path("\(name).safetensors")
      let outcome = try foreign(query, arguments + ["--output", path])
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try SafetensorsFile(path: path)
    }
    func near(_ a: [Double], _ b: [Double]) -> Bool {
      a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 }
    }
    let products = try answer("ihvp", "ihvp", ["--vectors", directory.path("v.safetensors")])
    #expect(products.tensor("a")?.shape == [3, 2, 2] && products.tensor("b")?.shape == [3, 2])
    #expect(near(try products.values("b", as: Double.self), expected.flatMap { $0[..<2] }))
    #expect(near(try products.values("a", as: Double.self), expected.flatMap { $0[2...] }))

    let units = (0..<6).map { i in inverse((0..<6).map { $0 == i ? 1 : 0 }) }
    let diagonal = try answer("diagonal", "diagonal", [])
    #expect(near(try diagonal.values("b", as: Double.self), [units[0][0], units[1][1]]))
    #expect(near(try diagonal.values("a", as: Double.self), (2..<6).map { units[$0][$0] }))

    let elements = try answer("element", "element", ["--at", "0:3", "--at", "b[1]:a[1,1]"])
    #expect(near(try elements.values("elements", as: Double.self), [units[0][3], units[1][5]]))

    let scores = try answer(
      "influence", "influence", ["--vectors", directory.path("v.safetensors")])
    #expect(scores.tensor("scores")?.shape == [3, 1])
    #expect(
      near(
        try scores.values("scores", as: Double.self),
        expected.map { zip($0, g).reduce(0) { $0 + $1.0 * $1.1 } }))

    let spectrum = try answer("spectrum", "spectrum", [])
    #expect(near(try spectrum.values("eigenvalues", as: Double.self), [total - Self.damping]))

    // NumPy's file has a header of 128 bytes, then the same numbers in the order of the weights.
    let path = directory.path("d.npy")
    #expect(try foreign("diagonal", ["--output", path]).status == 0)
    let bytes = try Data(contentsOf: URL(filePath: path))
    let numbers = bytes.dropFirst(128).withUnsafeBytes { bytes in
      (0..<6).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
    }
    #expect(near(numbers, (0..<6).map { units[$0][$0] }))
  }

  @Test("examples of a trained network are scored") func scoredExamples() throws {
    let run = directory.path("run")
    let outcome = try Program.train([
      "--dataset", "digits", "--model", "mlp", "--epochs", "1", "--run-directory", run,
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let arguments = [
      "influence", "--dataset", "digits", "--model", "mlp", "--weights", "\(run)/model.safetensors",
      "--gradients", "30", "--gradient-batch", "2", "--damping", "1e-3", "--test-examples", "3-4",
    ]
    var files: [Data] = []
    for ranks in [nil, 1, 3] {
      let path = directory.path("scores-\(ranks ?? 0).safetensors")
      let outcome = try ask(ranks: ranks, arguments + ["--output", path])
      try #require(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("test example 3: highest row "))
      files.append(try Data(contentsOf: URL(filePath: path)))
    }
    #expect(files[0] == files[1] && files[0] == files[2])
    let file = try SafetensorsFile(path: directory.path("scores-0.safetensors"))
    #expect(file.tensor("scores")?.shape == [2, 30])
    #expect(file.tensor("examples")?.shape == [30, 2])
  }

  /// Uses 40 gradients of 5 parameters, with raw prices among the features: λ = 1e-5 disappears in
  /// the products. The expected numbers are mpmath's, of 80 digits; see RefinedInverseTests.
  @Test("answers keep their digits with large gradients") func largeGradients() throws {
    var gradients: [Double] = []
    for r in 0..<40 {
      for i in 0..<5 {
        let number = (r * r * 7 + r * i * 13 + i * i * 5 + 3 * i) % 23 - 11
        gradients.append(Double(number) * (i % 2 == 1 ? 131072 : 1))
      }
    }
    let vector = (0..<5).map { Double($0 * 5 % 7 - 3) + 0.1 }
    try NPYFile.write(gradients, shape: [40, 5], to: directory.path("g.npy"))
    // Single precision would round the first vector, and turn the second into zeros.
    try NPYFile.write(
      vector + vector.map { $0 * 1e-60 }, shape: [2, 5], to: directory.path("v.npy"))
    let weights = [Float](repeating: 1, count: 5)
    try weights.withUnsafeBufferPointer {
      try SafetensorsFile.write([("w", [5], $0)], to: directory.path("w.safetensors"))
    }
    func answer(_ query: String, ranks: Int? = nil, _ arguments: [String] = []) throws -> [Double] {
      let path = directory.path("\(query)-\(ranks ?? 0).safetensors")
      let outcome = try ask(
        ranks: ranks,
        [
          query, "--weights", directory.path("w.safetensors"), "--gradients",
          directory.path("g.npy"), "--output", path,
        ] + arguments)
      try #require(outcome.status == 0, "\(outcome.errors)")
      if query != "spectrum" {
        #expect(outcome.output.contains("relative error of the answer: at most "))
      }
      return try SafetensorsFile(path: path).values(
        query == "spectrum" ? "eigenvalues" : "w", as: Double.self)
    }
    func error(_ numbers: [Double], _ exact: [Double]) -> Double {
      zip(numbers, exact).map { abs($0 / $1 - 1) }.max()!
    }
    let diagonal = [
      0.030106671482162652, 1.7309687680223476e-12, 0.029699704120970002, 1.6740701174753678e-12,
      0.022057095120340625,
    ]
    let product = [
      -0.10463173941479006, -1.0336029808123324e-08, 0.031123105322909392,
      -1.9307645177500423e-07, 0.083932712527595973,
    ]
    let plain = try answer("diagonal")
    #expect(error(plain, diagonal) < 1e-12)
    #expect(try answer("diagonal", ranks: 3) == plain)
    let products = try answer("ihvp", ["--vectors", directory.path("v.npy")])
    #expect(error(Array(products[..<5]), product) < 1e-14)
    #expect(error(Array(products[5...]), product.map { $0 * 1e-60 }) < 1e-14)
    #expect(error([try answer("spectrum")[4]], [25.296957597789273]) < 1e-10)
  }

  @Test("an answer with fewer than three digits is refused") func inaccurateAnswer() throws {
    try writeFiles()
    let outcome = try foreign("diagonal", ["--damping", "1e-35"])
    #expect(outcome.status != 0)
    #expect(
      outcome.errors.contains("λ 1e-35 is too small for these 1 gradients: the relative error"))
  }

  @Test("impossible queries are refused") func refusedQueries() throws {
    try writeFiles()
    for (query, arguments, message) in [
      ("ihvp", ["--vectors", directory.path("w.safetensors")], "tensor 'b' do not fit"),
      ("element", ["--at", "6:0"], "not an index into the weights: expected 0 to 5, got 6"),
      ("element", ["--at", "a[0,2]:0"], "not an index into tensor 'a': expected one within its"),
      ("element", ["--at", "c[0]:0"], "unknown tensor: expected b, a, got 'c'"),
      ("element", ["--at", "4"], "invalid element: expected ROW:COLUMN, got '4'"),
      ("influence", [], "--vectors: expected either --vectors or --test-examples, got neither"),
      ("influence", ["--test-examples", "0-1"], "require --model and its data"),
      ("diagonal", ["--damping", "0"], "--damping: expected > 0 and finite, got 0.0"),
      ("diagonal", ["--output", "x.txt"], "a name that ends in .npy or .safetensors"),
      ("diagonal", ["--output", directory.path("w.safetensors")], "already exists"),
    ] {
      let outcome = try foreign(query, arguments)
      #expect(outcome.status != 0 && outcome.errors.contains(message), "\(outcome.errors)")
    }
  }
}
