import ArgumentParser
import Formats
import ProgramOptions
import TrainedModels
import Training

struct Product: InverseQuery {
  static let configuration = CommandConfiguration(
    commandName: "ihvp",
    abstract: "Computes F⁻¹x, the inverse-Hessian-vector product, for each vector x in a file.",
    discussion: "Writes [k, d] for k vectors.")

  @OptionGroup var settings: QuerySettings
  @OptionGroup var dampingSettings: InverseSettings

  @Option(
    help: "File of vectors, in the same form as a file of gradients (.safetensors, .npy).",
    completion: .file())
  var vectors: String

  func answer<Number>(_ fisher: QueriedFisher<Number>) throws {
    let file = try fisher.vectors(vectors)
    let inverse = try fisher.inverse()
    var products: [[Double]] = []
    for row in 0..<file.count {
      let x = try fisher.world.agree { try file.slice(fisher.slice, ofVector: row) }
      products.append(try x.withUnsafeBufferPointer { try inverse.apply(to: $0) })
      let value = try fisher.sum(zip(x, products[row]).map(*))
      fisher.say("vector \(row): xᵀF⁻¹x = \(value)")
    }
    fisher.sayError(of: inverse)
    try fisher.write(vectors: products, count: file.count)
  }
}

struct Diagonal: InverseQuery {
  static let configuration = CommandConfiguration(
    abstract: "Computes the diagonal of F⁻¹.", discussion: "Writes [d].")

  @OptionGroup var settings: QuerySettings
  @OptionGroup var dampingSettings: InverseSettings

  func answer<Number>(_ fisher: QueriedFisher<Number>) throws {
    let inverse = try fisher.inverse()
    let diagonal = try inverse.diagonal()
    let trace = try fisher.sum(diagonal)
    fisher.say("trace of F⁻¹ \(trace); mean of the diagonal \(trace / Double(fisher.model.count))")
    fisher.sayError(of: inverse)
    try fisher.write(vectors: [diagonal], count: nil)
  }
}

struct Element: InverseQuery {
  static let configuration = CommandConfiguration(
    abstract: "Computes elements of F⁻¹.", discussion: "Writes one number for each --at.")

  @OptionGroup var settings: QuerySettings
  @OptionGroup var dampingSettings: InverseSettings

  @Option(
    parsing: .singleValue,
    help: """
      ROW:COLUMN, each an index into all weights, or into a tensor, such as \
      '0.weight[3,17]:2.weight[0,5]'; may be repeated.
      """)
  var at: [String]

  func answer<Number>(_ fisher: QueriedFisher<Number>) throws {
    let pairs = try fisher.world.agree {
      try at.map { try Coordinate.pair($0, of: fisher.model) }
    }
    let inverse = try fisher.inverse()
    let elements = try inverse.elements(pairs)
    for (place, element) in zip(at, elements) { fisher.say("\(place) \(element)") }
    fisher.sayError(of: inverse)
    try fisher.write(elements, shape: [elements.count], as: "elements")
  }
}

struct Influence: InverseQuery {
  static let configuration = CommandConfiguration(
    abstract: "Computes GF⁻¹x: the influence of each of the m rows on test gradients x.",
    discussion: """
      The score of a row is the decrease of the test loss per unit of a small descent step on the \
      row's examples, preconditioned by F⁻¹ (Koh and Liang, 2017, with opposite sign). Writes \
      [k, m] for k test gradients; a .safetensors file also gets 'examples' [m, b], the indices \
      from 0 of each row's training examples. (--model)
      """)

  @OptionGroup var settings: QuerySettings
  @OptionGroup var dampingSettings: InverseSettings

  @Option(
    help: "File of test gradients, in the same form as a file of gradients.", completion: .file())
  var vectors: String?

  @Option(
    help:
      "First and last index, from 0, of examples of the test part, such as 0-9. (--model)")
  var testExamples: IndexRange?

  @Option(parsing: .unconditional, help: "Print this many of the highest and lowest scores.")
  var top = 5

  func validate() throws {
    try require(
      (vectors == nil) != (testExamples == nil), "--vectors", "either --vectors or --test-examples",
      vectors == nil ? "neither" : "both")
    try require("--top", in: 0...1000, top)
  }

  func answer<Number>(_ fisher: QueriedFisher<Number>) throws {
    var scores: [Double] = []
    let examples = try fisher.world.agree {
      try (fisher.model as? TrainedNetwork<Number>)?.examples(ofRows: 0..<fisher.rowCount)
    }
    let file = try vectors.map(fisher.vectors)
    let tests = try testExamples.map { try fisher.testGradients(of: $0.range) }
    let inverse = try fisher.inverse()
    for row in testExamples?.range ?? 0..<file!.count {
      let x =
        try file.map { file in
          try fisher.world.agree { try file.slice(fisher.slice, ofVector: row) }
        }
        ?? fisher.slice(ofRow: row, of: tests!)
      let local = try x.withUnsafeBufferPointer { try inverse.influence(on: $0) }
      fisher.say(
        "\(file == nil ? "test example" : "vector") \(row): \(highest(of: local, examples))")
      scores += local
    }
    fisher.sayError(of: inverse)
    try fisher.write(
      scores, shape: [scores.count / fisher.rowCount, fisher.rowCount], as: "scores",
      examples: examples)
  }

  /// Lists the rows with the highest and the lowest scores.
  private func highest(of scores: [Double], _ examples: [[Int]]?) -> String {
    let order = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
    func list(_ rows: some Sequence<Int>) -> String {
      rows.map { row in
        let of = examples.map { " (of \(InputError.list($0[row].map(String.init))))" } ?? ""
        return "row \(row)\(of) \(formatNumber(scores[row], digits: 4))"
      }.joined(separator: ", ")
    }
    let half = min(top, order.count)
    return "highest \(list(order.prefix(half))); lowest \(list(order.reversed().prefix(half)))"
  }
}

struct Spectrum: Query {
  static let configuration = CommandConfiguration(
    abstract: "Computes the m largest eigenvalues of (1/m) GᵀG; all others are zero.",
    discussion: "Writes [m] in decreasing order. Add λ for the eigenvalues of F.")

  @OptionGroup var settings: QuerySettings

  @Option(
    parsing: .unconditional,
    help:
      "λ; prints the number of eigenvalues above it and the condition number of F. (default: none)")
  var damping: Double?

  func validate() throws { try damping.map(InverseSettings.check) }

  func answer<Number>(_ fisher: QueriedFisher<Number>) throws {
    let values = try fisher.eigenvalues()
    let (sum, squares) = values.reduce((0, 0)) { ($0.0 + $1, $0.1 + $1 * $1) }
    fisher.say(
      """
      largest             \(values[0])
      median              \(values[values.count / 2])
      smallest            \(values[values.count - 1])
      trace               \(sum)
      (Σμ)²/Σμ²           \(squares > 0 ? sum * sum / squares : 0)
      """)
    if let damping {
      // GᵀG is singular if m < d: the smallest eigenvalue of F is then λ.
      let least = values.count < fisher.model.count ? 0 : values[fisher.model.count - 1]
      let effective = values.reduce(0) { $0 + $1 / ($1 + damping) }
      fisher.say(
        """
        Σ μ/(μ + λ)         \(effective)
        condition of F      \((values[0] + damping) / (least + damping))
        """)
    }
    try fisher.write(values, shape: [values.count], as: "eigenvalues")
  }
}

/// A range of indices, from `FIRST-LAST` (inclusive) or a single number.
struct IndexRange: ExpressibleByArgument, CustomStringConvertible {
  let range: Range<Int>

  init?(argument: String) {
    let numbers = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(numbers.count), let first = numbers[0], let last = numbers.last!,
      first >= 0, last >= first, last < Int.max
    else { return nil }
    range = first..<last + 1
  }

  var description: String { "\(range.lowerBound)-\(range.upperBound - 1)" }
}
