import ArgumentParser
import Formats
import Networks
import ProgramOptions
import RunRecords
import Training
import Yams

/// Settings as YAML: reads a configuration file, and writes a run's `config.yaml`.
///
/// The keys come from the declared options, so each flag has a key of the same name.
struct Configuration {
  /// The file's settings as flags: `window: 64` is `--window=64`, `sparse: true` is `--sparse`.
  private(set) var arguments: [(key: String, argument: String)] = []
  /// The rules under `groups`.
  private(set) var rules: [ParameterRule] = []
  /// True if the file is the `config.yaml` that a run wrote.
  let isOfRun: Bool

  /// Reads a configuration file.
  ///
  /// - Throws: `ValidationError` naming the file and, if known, the key and its line.
  init(of path: String) throws {
    let text = try checked { try TextFile.read(path) }
    isOfRun = RunConfiguration(text: text).isOfRun
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch YamlError.duplicatedKeysInMapping(let keys, _) {
      let names = keys.map { "'\($0)'" }.joined(separator: ", ")
      throw ValidationError("\(path): \(names) appears more than once")
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _)
    {
      // A common mistake: an unquoted star begins a YAML alias.
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let isStar = lines.indices.contains(mark.line - 1) && lines[mark.line - 1].contains(": *")
      throw ValidationError(
        "\(path):\(mark.line): not YAML: \(problem)"
          + (isStar ? " (quote a value that begins with a star: \"*.bias\")" : ""))
    } catch {
      throw ValidationError("\(path): not YAML: \(error)")
    }
    guard let root else { return }
    guard case .mapping(let mapping) = root else {
      throw ValidationError("\(path): expected a mapping of settings, such as 'window: 256'")
    }
    let known = declaredOptions(in: try Settings.parse([]))
    for (key, value) in mapping {
      if key.string == Self.groups {
        rules = try Self.rules(in: value, of: path)
        continue
      }
      let line = key.mark.map { ":\($0.line)" } ?? ""
      guard let name = key.string.map({ RenamedOptions.name($0, of: Self.program) }),
        let setting = known.first(where: { $0.name == name })
      else {
        let near = NearestName.of(key.string ?? "", among: known.map(\.name) + [Self.groups])
        throw ValidationError(
          "\(path)\(line): unknown key '\(key.string ?? "")': "
            + (near.map { "write \($0)" } ?? "the keys are the options that --help lists"))
      }
      if setting.isList, case .sequence(let entries) = value {
        arguments += try entries.map { entry in
          guard let text = entry.string else {
            throw ValidationError("\(path)\(line): '\(name)' expects one value in each entry")
          }
          return (name, "--\(name)=\(text)")
        }
        continue
      }
      guard case .scalar(let scalar) = value else {
        throw ValidationError(
          "\(path)\(line): '\(name)' expects one value\(setting.isList ? ", or a list" : "")")
      }
      // A null value counts as absent.
      guard value.null == nil else { continue }
      if setting.isFlag {
        guard let isOn = Bool(yaml: scalar.string) else {
          throw ValidationError(
            "\(path)\(line): '\(name)' expects true or false, got '\(scalar.string)'")
        }
        arguments.append((name, isOn ? "--\(name)" : "--no-\(name)"))
      } else {
        arguments.append((name, "--\(name)=\(scalar.string)"))
      }
    }
    // Runs of earlier versions took the published step.
    if isOfRun, !arguments.contains(where: { $0.key == "preset" }) {
      arguments.append(("preset", "--preset=published"))
    }
  }

  private static let program = Train.configuration.commandName!

  /// Returns the settings in YAML, in the order of the help, without those that have no value.
  static func text(of settings: Settings) throws -> String {
    var pairs = declaredOptions(in: settings).compactMap { option in
      option.value.map { value in
        guard option.isList else { return (Node(option.name), node(of: value[0], option)) }
        let entries = value.map { Node($0, .implicit, .doubleQuoted) }
        return (Node(option.name), Node(entries, .implicit, .flow))
      }
    }
    if !settings.rules.isEmpty {
      pairs.append((Node(groups), Node(settings.rules.map(node(of:)))))
    }
    return try Yams.serialize(node: Node.mapping(Node.Mapping(pairs)))
  }

  /// Returns a value's node. Quotes a text that a YAML reader would take for another type, such as
  /// `yes`, `null` or `010`.
  private static func node(of value: String, _ option: DeclaredOption) -> Node {
    let plain = Node(value)
    let isText = plain.tag == Tag(.str) || "\(Int(value) ?? 0)" == value
    return option.isText && !isText ? Node(value, .implicit, .doubleQuoted) : plain
  }
}
