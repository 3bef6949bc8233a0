import Foundation

/// Names by which paths can be told apart: their last components, as many as that takes.
func distinguishableNames(of paths: [String]) -> [String] {
  let parts = paths.map { path in
    URL(filePath: path).standardizedFileURL.path.split(separator: "/").map(String.init)
  }
  func name(_ index: Int, _ count: Int) -> String {
    let name = parts[index].suffix(count).joined(separator: "/")
    return name.isEmpty ? paths[index] : name
  }
  return paths.indices.map { index in
    let longest = parts[index].count
    let count = (1...max(longest, 1)).first { count in
      paths.indices.allSatisfy { $0 == index || name($0, count) != name(index, count) }
    }
    return name(index, count ?? longest)
  }
}

/// A name in so many characters, its middle left out where it is longer.
func shortened(_ name: String, to count: Int) -> String {
  guard name.count > count else { return name }
  return "\(name.prefix(count / 2 - 1))…\(name.suffix(count - count / 2))"
}
