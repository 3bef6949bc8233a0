import FileRecords

/// Compares the files that ranks have opened for reading. Files with the same name must be the same
/// on all ranks that have opened them, at whatever time.
struct FileComparison {
  /// The latest record of each file name and rank.
  private var records: [String: [Int: FileRecord]] = [:]

  /// Adds the files that ranks have opened since the last comparison.
  ///
  /// - Parameter opened: new records of each rank; the same on all ranks.
  /// - Returns: the first difference found, and the rank whose file differs: the lowest one that
  ///   differs from the lowest rank that has opened the file.
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
