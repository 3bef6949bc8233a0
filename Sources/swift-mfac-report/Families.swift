/// Runs that differ in their seed alone: they look alike, and have means.
struct Families {
  /// Runs' indices, each family in the order of the runs, and in that of its first.
  private(set) var members: [[Int]] = []
  /// What each run looks like: its family, or where there is but one, itself.
  private(set) var looks: [Int] = []

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
      looks.append(family)
    }
    if members.count == 1 { looks = Array(runs.indices) }
  }

  /// Whether runs look alike.
  var shareLooks: Bool { Set(looks).count < looks.count }

  /// Whether there are any seeds to compare.
  var isOfSeveral: Bool { members.contains { $0.count > 1 } }

  /// What is called that looks so.
  func name(ofLook look: Int, of names: [String]) -> String {
    members.count == 1 ? names[look] : name(look, of: names)
  }

  /// What a family is called.
  func name(_ family: Int, of names: [String]) -> String {
    let first = names[members[family][0]]
    return members[family].count == 1 ? first : "\(first) (\(members[family].count) seeds)"
  }
}
