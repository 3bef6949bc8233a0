import Foundation

extension Manifest {
  /// A setting that has another value now.
  package struct Difference: CustomStringConvertible {
    package let key: String
    package let stored: String
    package let now: String

    package var description: String { "--\(key) is \(now), and was \(stored)" }
  }

  /// The settings that say something else than the checkpoint's.
  package func differences(from configuration: String) -> [Difference] {
    Self.differences(from: settings, to: configuration)
  }

  /// The settings that two runs do not have in common, but for those of files and of what is shown.
  package static func differences(from stored: String, to now: String) -> [Difference] {
    let other: Set = [
      "run-directory", "progress", "log-view", "tensorboard", "spectrum-every", "save-every-steps",
      "save-every-minutes", "keep-last", "checkpoint-window", "resume", "watchdog-seconds",
      "check-collectives",
    ]
    // What a setting that came later was before it came, and what others were called.
    let added = [
      "precision": "float32", "muon-momentum": "0.95", "muon-nesterov": "true",
      "muon-iterations": "5", "muon-adamw-rate": "0.0003",
    ]
    var stored = values(stored)
    let now = values(now)
    if let weights = stored.removeValue(forKey: "initial-weights") { stored["weights"] = weights }
    return Set(stored.keys).union(now.keys).subtracting(other).sorted().compactMap { key in
      let (a, b) = (stored[key] ?? added[key] ?? "none", now[key] ?? "none")
      return a == b ? nil : Difference(key: key, stored: a, now: b)
    }
  }

  /// Of each key at the margin of a YAML text, what stands there up to the next.
  private static func values(_ text: String) -> [String: String] {
    var values: [String: String] = [:]
    var key = ""
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      if let colon = line.firstIndex(of: ":"), line.first?.isLetter == true {
        key = String(line[..<colon])
        values[key] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      } else {
        values[key, default: ""] += " " + line.trimmingCharacters(in: .whitespaces)
      }
    }
    return values
  }
}
