import ArgumentParser
import LinearAlgebra
import MPI
import ProgramOptions
import Training

@main
struct Fisher: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-fisher",
    abstract: "Queries the inverse of a damped empirical Fisher matrix on any number of MPI ranks.",
    discussion: """
      F = λI + (1/m) GᵀG, with m gradients G of a trained network or from a file of any framework. \
      'mpirun -n 8 swift-mfac-fisher diagonal …' computes on 8 ranks; without mpirun it computes \
      on one, and writes the same bytes, in double precision. 'swift-mfac-fisher help diagonal' \
      shows the common options, 'swift-mfac-fisher diagonal --help-hidden' all.
      """,
    version: packageVersion,
    subcommands: [
      Product.self, Diagonal.self, Element.self, Influence.self, Spectrum.self, Check.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      if var check = command as? Check {
        try check.data.resolve()
        try start { [check] in try check.check(on: $0) }
      }
      guard var query = command as? any Query else { return try command.run() }
      try query.settings.source.resolve()
      try start { [query] world in
        let scalar = query.settings.source.scalar
        try answer(query, in: scalar, on: world)
      }
    } catch {
      Launcher.exitBeforeStart(Self.self, error)
    }
  }

  private static func answer<Number: Scalar>(
    _ query: any Query, in scalar: Number.Type, on world: Communicator
  ) throws {
    try query.answer(
      QueriedFisher<Number>(query.settings, damping: query.damping, on: world))
  }

  private static func start(_ body: (Communicator) throws -> Void) throws -> Never {
    try Launcher.prepareProducts()
    Launcher.run(body)
  }
}

/// A query that needs the gradients of the Fisher matrix.
protocol Query: ParsableCommand {
  var settings: QuerySettings { get set }
  /// λ; nil if the query does not need the inverse and sets none.
  var damping: Double? { get }

  /// Computes, prints and writes the answer. Collective.
  func answer<Number>(_ fisher: QueriedFisher<Number>) throws
}

/// A query that needs the inverse of the Fisher matrix.
protocol InverseQuery: Query {
  var dampingSettings: InverseSettings { get }
}

extension InverseQuery {
  var damping: Double? { dampingSettings.damping }
}

/// The damping λ of a query that needs F⁻¹.
struct InverseSettings: ParsableArguments {
  @Option(
    parsing: .unconditional, help: .init("λ, added to the diagonal of F.", valueName: "lambda"))
  var damping = 1e-5

  func validate() throws { try Self.check(damping) }

  static func check(_ damping: Double) throws {
    try require(damping > 0 && damping.isFinite, "--damping", "> 0 and finite", damping)
  }
}

/// The options of all queries.
struct QuerySettings: ParsableArguments {
  @OptionGroup var source: TrainedModelSettings

  @Option(
    help: .init(
      """
      File for the result: .npy, or .safetensors with the weights' tensor names if the result has \
      their shape. (default: none)
      """, valueName: "file"))
  var output: String?

  func validate() throws {
    if let output {
      try require(
        output.hasSuffix(".npy") || output.hasSuffix(".safetensors"), "--output",
        "a name that ends in .npy or .safetensors", output)
    }
  }
}
