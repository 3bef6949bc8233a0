import Formats
import Foundation
import RunRecords
import Yams

/// The settings of `config.yaml`, and what its first line says of the machine.
struct RunConfiguration {
  let settings: [(key: String, value: String)]
  /// Of the comment that stands before the settings.
  let start: Environment?

  /// - Throws: `InputError` naming the file that is no mapping of settings.
  init(of path: String) throws {
    let text = try TextFile.read(path)
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
    settings = try mapping.map { key, value in
      (key.string ?? "", try value.string ?? Self.line(of: value))
    }
    start = Self.start(in: text)
  }

  /// A list or a mapping, in one line.
  private static func line(of node: Node) throws -> String {
    switch node {
    case .scalar(let scalar): scalar.string
    case .alias: ""
    case .sequence(let entries): try entries.map(line(of:)).joined(separator: ", ")
    case .mapping(let mapping):
      try "{\(mapping.map { "\($0.string ?? ""): \(try line(of: $1))" }.joined(separator: ", "))}"
    }
  }

  /// As in "# OpenBLAS core type Cooperlake, 2 ranks".
  private static func start(in text: String) -> Environment? {
    guard let line = text.split(separator: "\n").first,
      let match = line.firstMatch(of: /^# OpenBLAS core type (.+), ([0-9]+) ranks?$/)
    else { return nil }
    var start = Environment()
    (start.ranks, start.blasCoreType) = (Int(match.2), String(match.1))
    return start
  }
}
