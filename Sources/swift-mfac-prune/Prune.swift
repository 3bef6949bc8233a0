import ArgumentParser

@main
struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "swift-mfac-prune")
}
