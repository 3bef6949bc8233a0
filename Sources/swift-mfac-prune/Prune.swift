import ArgumentParser
import Datasets
import Launching
import LinearAlgebra
import MPI
import Networks
import Training

@main
struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-prune",
    abstract: "Prunes a trained network, its weights sharded over MPI ranks.",
    discussion: """
      Run it alone for one rank, or as 'mpirun -n 8 swift-mfac-prune …': the pruned network is the \
      same, byte for byte. Loss and accuracy are of the test part of the data.
      """)

  @OptionGroup var settings: PruneSettings

  static func main() {
    do {
      var settings = try parse().settings
      try settings.source.resolve()
      BLAS.repairCoreType()
      BLAS.useOneThread()
      Launcher.run { [settings] world in try PruningRun(settings, on: world).run() }
    } catch {
      Launcher.exitBeforeStart(Self.self, error)
    }
  }
}
