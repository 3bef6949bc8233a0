import Formats
import Yams

/// The file `config.yaml`; holds a run's settings in YAML, below a line about the process that
/// wrote it.
package struct RunConfiguration {
  package static let fileName = "config.yaml"
  private static let firstWords = "# OpenBLAS core type "

  package let text: String

  package init(text: String) { self.text = text }

  /// Creates the file for a process of a run.
  ///
  /// - Parameter settings: the resolved settings, in YAML.
  package init(_ environment: Environment, settings: String) {
    let (coreType, ranks) = (environment.blasCoreType!, environment.ranks!)
    text = "\(Self.firstWords)\(coreType), \(ranks) ranks\n\(settings)"
  }

  /// True if a run wrote the file; false if a user did.
  package var isOfRun: Bool { text.hasPrefix(Self.firstWords) }

  /// Core type and number of ranks from the first line; nil if that line does not give them.
  package var start: Environment? {
    let line = text.prefix { !$0.isNewline }
    guard isOfRun,
      let match = line.dropFirst(Self.firstWords.count).wholeMatch(of: /(.+), ([0-9]+) ranks?/)
    else { return nil }
    var start = Environment()
    (start.ranks, start.blasCoreType) = (Int(match.2), String(match.1))
    return start
  }

  /// Reads the settings, in the order of the file.
  ///
  /// - Parameter path: the file, for messages.
  /// - Throws: `InputError` if the text is not a YAML mapping.
  package func settings(
    in path: String
  ) throws(InputError) -> [(key: String, value: String)] {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _)
    {
      throw InputError(
        path, "line \(mark.line) is not YAML, \(problem)", expected: "a run's settings")
    } catch {
      throw InputError(path, "is not YAML", expected: "a run's settings", got: "\(error)")
    }
    guard case .mapping(let mapping)? = root else {
      throw InputError(
        path, "is not a YAML mapping", expected: "a run's settings, such as 'window: 256'")
    }
    return mapping.map { key, value in (key.string ?? "", value.string ?? Self.line(of: value)) }
  }

  /// Formats a node as one line.
  private static func line(of node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string
    case .alias: ""
    case .sequence(let entries): entries.map(line(of:)).joined(separator: ", ")
    case .mapping(let mapping):
      "{\(mapping.map { "\($0.string ?? ""): \(line(of: $1))" }.joined(separator: ", "))}"
    }
  }
}
