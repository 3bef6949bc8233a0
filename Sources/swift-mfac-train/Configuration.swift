import ArgumentParser
import Formats
import Networks
import ProgramOptions
import RunRecords
import Training
import Yams

/// Settings as text: the keys that a YAML file may have, and the file that a run leaves.
///
/// Both are read off the declared options, so that a flag and its key cannot drift apart.
struct Configuration {
  /// The flags that a YAML file stands for: `window: 64` is `--window=64`, `sparse: true` is
  /// `--sparse`.
  private(set) var arguments: [(key: String, argument: String)] = []
  /// What stands under `groups`.
  private(set) var rules: [ParameterRule] = []
  /// Whether the file is the `config.yaml` of a run.
  let isOfRun: Bool

  /// - Throws: `ValidationError` naming the file and, where there is one, the key and its line.
  init(of path: String) throws {
    let text = try checked { try TextFile.read(path) }
    isOfRun = RunConfiguration(text: text).isOfRun
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch YamlError.duplicatedKeysInMapping(let keys, _) {
      let names = keys.map { "'\($0)'" }.joined(separator: ", ")
      throw ValidationError("\(path): \(names) stands there more than once")
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _)
    {
      // The common slip: a star begins an alias.
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let isStar = lines.indices.contains(mark.line - 1) && lines[mark.line - 1].contains(": *")
      throw ValidationError(
        "\(path):\(mark.line): not YAML: \(problem)"
          + (isStar ? " (what begins with a star wants quotes: \"*.bias\")" : ""))
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
      // null is as good as no such line.
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
  }

  private static let program = Train.configuration.commandName!

  /// The settings in YAML, in the order of the help; those without a value are left out.
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

  /// Quotes a text that without quotes would be read as something else, such as `yes`, `null` or
  /// `010`, by this program or by another that rewrites the file.
  private static func node(of value: String, _ option: DeclaredOption) -> Node {
    let plain = Node(value)
    let isText = plain.tag == Tag(.str) || "\(Int(value) ?? 0)" == value
    return option.isText && !isText ? Node(value, .implicit, .doubleQuoted) : plain
  }
}
