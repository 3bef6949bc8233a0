import Formats
import Foundation
import RunRecords

/// Reads a run of `swift-mfac-train` from its directory.
struct TrainingRun {
  let path: String
  /// The lines of `config.yaml`, in order.
  let settings: [(key: String, value: String)]
  let metrics: Metrics
  let starts: [Environment]
  /// d; nil if the run has not written a network yet.
  let parameters: Int?

  /// Reads a run.
  ///
  /// - Throws: `InputError` naming the file and line that are not a run's.
  init(_ path: String) throws {
    self.path = path
    let file = "\(path)/\(RunConfiguration.fileName)"
    let configuration = RunConfiguration(text: try TextFile.read(file))
    settings = try configuration.settings(in: file)
    metrics = try Metrics(of: "\(path)/metrics.jsonl")
    let environment = "\(path)/environment.jsonl"
    starts =
      access(environment, F_OK) == 0
      ? try Environment.read(environment) : [configuration.start].compactMap { $0 }
    parameters = try Self.parameters(of: "\(path)/model.safetensors")
  }

  /// Returns true if a directory holds a run.
  static func isOne(_ path: String) -> Bool { access("\(path)/metrics.jsonl", F_OK) == 0 }

  subscript(_ key: String) -> String? { settings.first { $0.key == key }?.value }

  /// Number of ranks of the last start.
  var ranks: Int? { starts.last?.ranks }

  /// Counts a network's parameters, without running statistics.
  private static func parameters(of path: String) throws -> Int? {
    guard access(path, F_OK) == 0 else { return nil }
    let file = try SafetensorsFile(path: path)
    return file.tensors.filter { !isStatistic($0.name) }.reduce(0) {
      $0 + $1.shape.reduce(1, *)
    }
  }

  private static func isStatistic(_ name: String) -> Bool {
    ["running_mean", "running_var", "num_batches_tracked"].contains {
      name == $0 || name.hasSuffix(".\($0)")
    }
  }
}

/// Groups runs that differ only in their seed. The runs of a group share a colour and have means.
struct SeedGroups {
  /// The runs of each group, by index; groups and runs keep the order of the runs.
  private(set) var groups: [[Int]] = []
  /// The colour of each run: its group's, or its own if there is only one group.
  private(set) var colors: [Int] = []

  init(of runs: [TrainingRun]) {
    // Groups ignore these settings; all but the seed have no effect on the results.
    let others: Set = ["seed", "run-directory", "progress", "log-view", "resume"]
    var known: [[String]: Int] = [:]
    var times: [[String]: Int] = [:]
    for (index, run) in runs.enumerated() {
      var settings = run.settings.filter { !others.contains($0.key) }
        .map { "\($0.key): \($0.value)" }.sorted()
      // A second run with the same seed belongs to another group.
      let twin = settings + [run["seed"] ?? ""]
      settings.append("\(times[twin, default: 0])")
      times[twin, default: 0] += 1
      let group = known[settings] ?? groups.count
      known[settings] = group
      if group == groups.count { groups.append([]) }
      groups[group].append(index)
      colors.append(group)
    }
    if groups.count == 1 { colors = Array(runs.indices) }
  }

  /// True if some runs share a colour.
  var shareColors: Bool { Set(colors).count < colors.count }

  /// True if a group has several seeds.
  var haveSeveralSeeds: Bool { groups.contains { $0.count > 1 } }

  /// Returns the name for a colour: that of a group, or of a run if there is only one group.
  func name(ofColor color: Int, of names: [String]) -> String {
    groups.count == 1 ? names[color] : name(ofGroup: color, of: names)
  }

  /// Returns the name of a group's first run, with the number of seeds.
  func name(ofGroup group: Int, of names: [String]) -> String {
    let first = names[groups[group][0]]
    return groups[group].count == 1 ? first : "\(first) (\(groups[group].count) seeds)"
  }
}
