import ArgumentParser

/// Options that have an effect only with certain values of others.
package struct OptionUse<Settings> {
  /// The options' names, without dashes.
  package let options: [String]
  /// The options that they need, as typed on the command line.
  package let beside: String
  private let got: (Settings) -> String?
  private let holds: (Settings) -> Bool

  /// Creates the rule for some options.
  ///
  /// - Parameters:
  ///   - options: the options' names, without dashes.
  ///   - beside: the options that they need, as typed; for messages.
  ///   - got: returns the setting that leaves them without effect, or nil if it is the lack of
  ///     `beside`; for messages.
  ///   - holds: returns true if they have an effect.
  package init(
    _ options: [String], beside: String, got: @escaping (Settings) -> String?,
    where holds: @escaping (Settings) -> Bool
  ) {
    (self.options, self.beside, self.got, self.holds) = (options, beside, got, holds)
  }

  /// Returns the options that are set and have no effect.
  package func idle(among asked: Set<String>, in settings: Settings) -> [String] {
    holds(settings) ? [] : options.filter(asked.contains)
  }

  /// Returns the reason why an option has no effect, such as "applies only with …".
  package func problem(in settings: Settings) -> String {
    "applies only with \(beside)" + (got(settings).map { ", not with \($0)" } ?? "")
  }
}

/// Returns the options on a command line, without dashes; `--no-flip` gives `no-flip` and `flip`.
package func typedOptions(in arguments: [String]) -> Set<String> {
  var names: Set<String> = []
  for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
    let name = String(argument.dropFirst(2).prefix { $0 != "=" })
    names.insert(name)
    if name.hasPrefix("no-") { names.insert(String(name.dropFirst(3))) }
  }
  return names
}

/// Checks that every typed option has an effect.
///
/// - Throws: `ValidationError` naming the first that has none.
package func requireUse<Settings>(
  of typed: Set<String>, by uses: [OptionUse<Settings>], in settings: Settings
) throws {
  for use in uses {
    for option in use.idle(among: typed, in: settings) {
      throw ValidationError("--\(option) \(use.problem(in: settings))")
    }
  }
}
