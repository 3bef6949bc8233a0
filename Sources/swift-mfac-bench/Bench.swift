import ArgumentParser
import LinearAlgebra
import ProgramOptions
import Training

@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-bench",
    abstract: "Measures the parts of a training step and their scaling.",
    version: packageVersion,
    subcommands: [
      NetworksCommand.self, WindowCommand.self, StepCommand.self, ScalingCommand.self,
      PredictCommand.self, LinkCommand.self, StaticCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot(Launcher.arguments(of: configuration.commandName!))
      try Launcher.prepareProducts()
      try command.run()
    } catch {
      Launcher.exitBeforeStart(Self.self, error)
    }
  }
}
