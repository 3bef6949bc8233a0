import ArgumentParser

/// Options that have an effect only where others are so.
package struct OptionUse<Settings> {
  /// Without their dashes.
  package let options: [String]
  /// Beside what they have one, as it would be typed.
  package let beside: String
  private let got: (Settings) -> String
  private let holds: (Settings) -> Bool

  /// - Parameters:
  ///   - options: without their dashes.
  ///   - beside: what they have an effect with, for messages.
  ///   - got: what stands in the way, for messages.
  ///   - holds: whether they have an effect.
  package init(
    _ options: [String], beside: String, got: @escaping (Settings) -> String,
    where holds: @escaping (Settings) -> Bool
  ) {
    (self.options, self.beside, self.got, self.holds) = (options, beside, got, holds)
  }

  /// Those of the options that have been asked for, and do nothing.
  package func idle(among asked: Set<String>, in settings: Settings) -> [String] {
    holds(settings) ? [] : options.filter(asked.contains)
  }

  /// What is wrong with an option that does nothing.
  package func problem(in settings: Settings) -> String {
    let got = got(settings)
    return "applies only with \(beside)" + (got == "none" ? "" : ", not with \(got)")
  }
}

/// The options that a command line names, without their dashes; `no-flip` stands for `flip`.
package func typedOptions(in arguments: [String]) -> Set<String> {
  var names: Set<String> = []
  for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
    let name = String(argument.dropFirst(2).prefix { $0 != "=" })
    names.insert(name)
    if name.hasPrefix("no-") { names.insert(String(name.dropFirst(3))) }
  }
  return names
}

/// Refuses options that are typed and do nothing.
///
/// - Throws: `ValidationError` naming the first of them.
package func requireUse<Settings>(
  of typed: Set<String>, by uses: [OptionUse<Settings>], in settings: Settings
) throws {
  for use in uses {
    for option in use.idle(among: typed, in: settings) {
      throw ValidationError("--\(option) \(use.problem(in: settings))")
    }
  }
}
