import Formats
import Yams

/// The file `config.yaml`: a run's settings in YAML, below a line on the process that wrote it.
package struct RunConfiguration {
  package static let fileName = "config.yaml"
  private static let firstWords = "# OpenBLAS core type "

  package let text: String

  package init(text: String) { self.text = text }

  /// Makes the file of the run's process that works in an environment.
  ///
  /// - Parameter settings: The settings as resolved, in YAML.
  package init(_ environment: Environment, settings: String) {
    let (coreType, ranks) = (environment.blasCoreType!, environment.ranks!)
    text = "\(Self.firstWords)\(coreType), \(ranks) ranks\n\(settings)"
  }

  /// Whether a run has written the file, and not its user.
  package var isOfRun: Bool { text.hasPrefix(Self.firstWords) }

  /// The core type and the ranks that the first line names, or nil without such a line.
  package var start: Environment? {
    let line = text.prefix { !$0.isNewline }
    guard isOfRun,
      let match = line.dropFirst(Self.firstWords.count).wholeMatch(of: /(.+), ([0-9]+) ranks?/)
    else { return nil }
    var start = Environment()
    (start.ranks, start.blasCoreType) = (Int(match.2), String(match.1))
    return start
  }

  /// The settings, in the order of the file.
  ///
  /// - Parameter path: The file, for messages.
  /// - Throws: `InputError` if the text is no mapping in YAML.
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
        path, "is no mapping", expected: "a run's settings, such as 'window: 256'")
    }
    return mapping.map { key, value in (key.string ?? "", value.string ?? Self.line(of: value)) }
  }

  /// A list or a mapping, in one line.
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
