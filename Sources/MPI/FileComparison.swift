import FileRecords

/// What the ranks have opened for reading: files of one name must be the same on all ranks that
/// have opened them, also where some did so earlier than others.
struct FileComparison {
  /// By name and by rank, as each has opened it last.
  private var records: [String: [Int: FileRecord]] = [:]

  /// Adds what ranks have opened since the last comparison.
  ///
  /// - Parameter opened: by rank; the same on all ranks.
  /// - Returns: the lowest rank that has a file other than the ranks before it, and what differs.
  mutating func add(_ opened: [[FileRecord]]) -> (rank: Int, difference: String)? {
    var paths: [String] = []
    for (rank, files) in opened.enumerated() {
      for file in files {
        records[file.path, default: [:]][rank] = file
        paths.append(file.path)
      }
    }
    for path in paths { if let difference = difference(of: path) { return difference } }
    return nil
  }

  private func difference(of path: String) -> (rank: Int, difference: String)? {
    let ranks = records[path]!.sorted { $0.key < $1.key }
    let (first, reference) = ranks[0]
    let others = ranks.filter { $0.value != reference }
    guard let (rank, other) = others.first, let difference = reference.difference(from: other)
    else { return nil }
    return (
      rank,
      "\(path) must be the same on all ranks: the \(difference.what) is "
        + "\(difference.local) on rank \(first), \(difference.other) on rank \(rank)"
        + (others.count > 1 ? "; \(name(others.map(\.key))) differ" : "")
    )
  }
}
