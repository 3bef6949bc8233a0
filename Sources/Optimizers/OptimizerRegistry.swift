/// Lists the optimizers that programs offer, in the order of their help, one per line.
public enum OptimizerRegistry {
  /// The configuration types of all optimizers.
  public static let all: [any OptimizerConfiguration.Type] = [
    MFACConfiguration.self,
    KFACConfiguration.self,
    SGDConfiguration.self,
    AdamWConfiguration.self,
    MuonConfiguration.self,
  ]
}

/// Represents the name of a registered optimizer.
public struct OptimizerName: RawRepresentable, Codable, CaseIterable, Hashable, Sendable {
  /// The name as the user types it.
  public let rawValue: String

  /// Creates a name; returns nil if no optimizer has it.
  public init?(rawValue: String) {
    guard OptimizerRegistry.all.contains(where: { $0.name == rawValue }) else { return nil }
    self.rawValue = rawValue
  }

  /// Creates the name of a registered configuration.
  public init(_ configuration: any OptimizerConfiguration.Type) {
    self.init(rawValue: configuration.name)!
  }

  /// All names, in the order of the registry.
  public static var allCases: [OptimizerName] { OptimizerRegistry.all.map(OptimizerName.init) }

  /// The configuration type with this name.
  public var configuration: any OptimizerConfiguration.Type {
    OptimizerRegistry.all.first { $0.name == rawValue }!
  }
}
