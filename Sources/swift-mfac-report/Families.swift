/// Runs that differ in their seed alone: they look alike, and have means.
struct Families {
  /// Runs' indices, each family in the order of the runs, and in that of its first.
  private(set) var members: [[Int]] = []
  /// The family of each run.
  private(set) var ofRun: [Int] = []

  init(of runs: [TrainingRun]) {
    // What says nothing of how a run goes.
    let others: Set = ["seed", "run-directory", "progress", "log-view", "resume"]
    var known: [[String]: Int] = [:]
    var times: [[String]: Int] = [:]
    for (index, run) in runs.enumerated() {
      var settings = run.settings.filter { !others.contains($0.key) }
        .map { "\($0.key): \($0.value)" }.sorted()
      // The same seed once more is of another family.
      let twin = settings + [run["seed"] ?? ""]
      settings.append("\(times[twin, default: 0])")
      times[twin, default: 0] += 1
      let family = known[settings] ?? members.count
      known[settings] = family
      if family == members.count { members.append([]) }
      members[family].append(index)
      ofRun.append(family)
    }
  }

  /// Whether there are any seeds to compare.
  var isOfSeveral: Bool { members.contains { $0.count > 1 } }

  /// What a family is called.
  func name(_ family: Int, of names: [String]) -> String {
    let first = names[members[family][0]]
    return members[family].count == 1 ? first : "\(first) (\(members[family].count) seeds)"
  }
}
