import Foundation
import RunRecords

extension Page {
  /// The tables of the differing settings and of all settings.
  var settings: [String] {
    guard !runs.isEmpty else { return [] }
    var keys: [String] = []
    var known: Set<String> = []
    for run in runs {
      for (key, _) in run.settings where known.insert(key).inserted { keys.append(key) }
    }
    let differing = keys.filter { key in
      // The runs' names already show their directories.
      key != "run-directory" && Set(runs.map { $0[key] }).count > 1
    }
    let comparison =
      differing.isEmpty
      ? (runs.count > 1 ? HTML.paragraph("All settings are the same.") : "")
      : HTML.paragraph("Settings that differ:") + table("differences", differing)
    return [
      comparison,
      HTML.details("All \(keys.count) settings", table("settings", keys)),
    ]
  }

  private func table(_ name: String, _ keys: [String]) -> String {
    let columns = runs.map { Dictionary($0.settings.map { ($0.key, $0.value) }) { $1 } }
    return Table(
      name: name, head: ["setting"] + names,
      rows: keys.map { key in
        [.text(key)] + columns.map { column in column[key].map(Cell.text) ?? .empty }
      }
    ).html
  }

  /// The table of the machines that the runs used.
  var environment: [String] {
    let head = [
      "run", "started", "from step", "ranks", "hosts", "CPU", "cores", "BLAS core type",
      "OpenBLAS", "Open MPI", "swift-mfac",
    ]
    func text(_ value: String?) -> Cell { value.map(Cell.text) ?? .empty }
    var rows: [[Cell]] = []
    var commands: [[Cell]] = []
    for (index, run) in runs.enumerated() {
      for start in run.starts {
        let name = Cell.named(names[index], color: seedGroups.colors[index])
        let row: [Cell] = [
          name, text(start.started), .count(start.fromStep), .count(start.ranks),
          text(start.hosts.map(Self.list)), text(start.cpu), .count(start.cores),
          text(start.blasCoreType), text(start.openblas), text(start.openMpi),
          text(start.swiftMfac),
        ]
        rows.append(row)
        if let line = start.commandLine { commands.append([name, .code(line)]) }
      }
    }
    // Older runs lack some columns.
    let used = head.indices.filter { column in
      rows.contains { if case .empty = $0[column] { false } else { true } }
    }
    let table = Table(
      name: "environment", head: used.map { head[$0] },
      rows: rows.map { row in used.map { row[$0] } })
    let lines = Table(name: "commands", head: ["run", "command line"], rows: commands)
    return [
      table.html, commands.isEmpty ? "" : HTML.details("Command lines", lines.html),
    ]
  }

  /// Lists each host once, with its number of processes.
  private static func list(_ hosts: [String]) -> String {
    var counts: [(name: String, count: Int)] = []
    for host in hosts {
      if let index = counts.firstIndex(where: { $0.name == host }) {
        counts[index].count += 1
      } else {
        counts.append((host, 1))
      }
    }
    return counts.map { $0.count == 1 ? $0.name : "\($0.name) × \($0.count)" }
      .joined(separator: ", ")
  }
}
