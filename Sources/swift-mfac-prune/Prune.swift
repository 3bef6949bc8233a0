import ArgumentParser
import LinearAlgebra
import MPI
import Networks
import ProgramOptions
import Training

@main
struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-prune",
    abstract: "Prunes a trained network, its weights sharded over MPI ranks.",
    discussion: """
      Run it alone for one rank, or as 'mpirun -n 8 swift-mfac-prune …': the pruned network is the \
      same, byte for byte. Loss and accuracy are of the test part of the data.
      """,
    version: packageVersion)

  @OptionGroup var settings: PruneSettings

  static func main() {
    let arguments = Launcher.arguments(of: configuration.commandName!)
    if arguments.first == "help" { exit(withError: CleanExit.helpRequest(self)) }
    do {
      if arguments.first == "plot" {
        throw ValidationError("plot: expected 'swift-mfac-report plot', which draws the reports")
      }
      var settings = try parse(arguments).settings
      try settings.source.resolve()
      try requireUse(
        of: typedOptions(in: arguments), by: PruneSettings.uses, in: settings)
      try Launcher.prepareProducts()
      Launcher.run { [settings] world in
        let scalar = settings.source.scalar
        try prune(settings, in: scalar, on: world)
      }
    } catch {
      Launcher.exitBeforeStart(Self.self, error)
    }
  }

  private static func prune<Element: Scalar>(
    _ settings: PruneSettings, in scalar: Element.Type, on world: Communicator
  ) throws {
    try PruningRun<Element>(settings, on: world).run()
  }
}
