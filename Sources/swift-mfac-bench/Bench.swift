import ArgumentParser
import LinearAlgebra

@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-bench",
    abstract: "Measures the parts of a training step.",
    subcommands: [NetworksCommand.self, WindowCommand.self])

  static func main() {
    BLAS.repairCoreType()
    BLAS.useOneThread()
    main(nil)
  }
}
