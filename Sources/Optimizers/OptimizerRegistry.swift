/// The optimizers that programs offer, in the order of their help: one line each.
public enum OptimizerRegistry {
  /// The configurations of all of them.
  public static let all: [any OptimizerConfiguration.Type] = [
    MFACConfiguration.self,
    KFACConfiguration.self,
    SGDConfiguration.self,
    AdamWConfiguration.self,
    MuonConfiguration.self,
  ]
}

/// The name of a registered optimizer.
public struct OptimizerName: RawRepresentable, Codable, CaseIterable, Hashable, Sendable {
  /// As it is typed.
  public let rawValue: String

  /// Nil where no optimizer has the name.
  public init?(rawValue: String) {
    guard OptimizerRegistry.all.contains(where: { $0.name == rawValue }) else { return nil }
    self.rawValue = rawValue
  }

  /// That of a registered configuration.
  public init(_ configuration: any OptimizerConfiguration.Type) {
    self.init(rawValue: configuration.name)!
  }

  /// In the order of the registry.
  public static var allCases: [OptimizerName] { OptimizerRegistry.all.map(OptimizerName.init) }

  /// Its configuration.
  public var configuration: any OptimizerConfiguration.Type {
    OptimizerRegistry.all.first { $0.name == rawValue }!
  }
}
