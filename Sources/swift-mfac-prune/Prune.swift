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
    abstract: "Prunes a trained network on any number of MPI ranks.",
    discussion: """
      'mpirun -n 8 swift-mfac-prune …' prunes on 8 ranks; without mpirun it prunes on one, and \
      writes the same bytes. It reports loss and accuracy on the test part of the data. --help \
      shows the common options, --help-hidden all.
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
