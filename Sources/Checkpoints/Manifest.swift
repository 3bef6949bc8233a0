import Formats
import Foundation
import Sharding

/// The record of a checkpoint; holds the position of the run and the digests of the checkpoint's
/// files. It is written last, and ends with the digest of everything before it.
package struct Manifest: Codable, Sendable, Equatable {
  package static let fileName = "manifest.json"

  /// Describes a file of the checkpoint.
  package struct File: Codable, Sendable, Equatable {
    /// Relative to the checkpoint's directory.
    package let name: String
    /// Size of the file.
    package let bytes: Int
    /// SHA-256 of the file's bytes, in hexadecimal digits.
    package let sha256: String
    /// The range of cells in the file, as its first and last number + 1; nil for files that are not
    /// split by cells.
    package var cells: [Int]?

    package init(name: String, bytes: Int, sha256: String) {
      (self.name, self.bytes, self.sha256) = (name, bytes, sha256)
    }

    /// The kind of tensors in the file, such as `window`.
    package var family: Substring { name.prefix { $0 != "-" && $0 != "." } }
  }

  /// Version of the checkpoint format; 1 is the only one so far.
  package var formatVersion = 1
  /// Steps taken so far.
  package var step: Int
  /// Epoch of the next batch, from 0.
  package var epoch: Int
  /// Index of the next batch in its epoch, from 0.
  package var batchInEpoch: Int
  /// Learning rate of the next step.
  package var learningRate: Double
  /// False if an evaluation is due after this step and has not been made.
  package var isEvaluated: Bool
  /// Consecutive steps, up to this one, that were skipped because the gradient was not finite.
  package var skippedInARow: Int
  /// Seconds that all processes of the run have taken.
  package var seconds: Double
  /// `seconds` without spectra, evaluations and checkpoints.
  package var trainingSeconds: Double
  /// Length of `metrics.jsonl` in bytes.
  package var metricsBytes: Int
  /// d.
  package var parameterCount: Int
  /// Coordinates in a cell.
  package var cellSize: Int
  /// Number of cells that hold coordinates.
  package var cellCount: Int
  /// True if the checkpoint includes the optimizer's curvature: M-FAC's window or K-FAC's factors.
  package var hasWindow: Bool
  /// Sparsity of the masks with which the run began; nil for a run without masks.
  package var initialSparsity: Double?
  /// The optimizer's scalar state, by name.
  package var optimizer: [String: Double]
  /// The resolved settings, in YAML.
  package var settings: String
  /// SHA-256 of `settings`.
  package var settingsSha256: String
  /// SHA-256 of the network's input shape and layers.
  package var network: String
  /// Digest of the training data.
  package var trainingData: String
  /// OpenBLAS's core type, and whether the CPU lacks fused multiply-add. The bytes of a run depend
  /// on these and on the program.
  package var coreType: String
  /// SHA-256 of the program's file.
  package var programSha256: String
  /// All files of the checkpoint but the manifest.
  package var files: [File]

  /// Records the state of a run between two steps.
  package init(
    step: Int, epoch: Int, batchInEpoch: Int, learningRate: Double, isEvaluated: Bool,
    skippedInARow: Int, seconds: Double, trainingSeconds: Double, metricsBytes: Int,
    parameterCount: Int, cellSize: Int, cellCount: Int, hasWindow: Bool,
    initialSparsity:
      Double? = nil, optimizer: [String: Double], settings: String, settingsSha256: String,
    network: String, trainingData: String, coreType: String, programSha256: String,
    files:
      [File]
  ) {
    self.step = step
    self.epoch = epoch
    self.batchInEpoch = batchInEpoch
    self.learningRate = learningRate
    self.isEvaluated = isEvaluated
    self.skippedInARow = skippedInARow
    self.seconds = seconds
    self.trainingSeconds = trainingSeconds
    self.metricsBytes = metricsBytes
    self.parameterCount = parameterCount
    self.cellSize = cellSize
    self.cellCount = cellCount
    self.hasWindow = hasWindow
    self.initialSparsity = initialSparsity
    self.optimizer = optimizer
    self.settings = settings
    self.settingsSha256 = settingsSha256
    self.network = network
    self.trainingData = trainingData
    self.coreType = coreType
    self.programSha256 = programSha256
    self.files = files
  }
}

extension Manifest {
  private static let digestKey = "manifest_sha256"

  /// Returns the manifest as JSON that ends with its digest.
  package func text() throws -> String { try SealedJSON.text(of: self, digest: Self.digestKey) }

  /// Reads a manifest and checks its digest and fields.
  ///
  /// - Throws: `InputError` naming the file, if its bytes are not what `text` returns for a
  ///   manifest.
  package init(text bytes: [UInt8], file: String) throws(InputError) {
    self = try SealedJSON.record(Self.self, from: bytes, file: file, digest: Self.digestKey)
    try check(file)
  }

  /// Checks the fields that readers rely on.
  private func check(_ file: String) throws(InputError) {
    func require(_ holds: Bool, _ what: String) throws(InputError) {
      guard holds else { throw InputError(file, "is invalid: \(what)") }
    }
    try require(formatVersion == 1, "format_version \(formatVersion)")
    for (name, count) in [
      ("step", step), ("epoch", epoch), ("batch_in_epoch", batchInEpoch),
      ("skipped_in_a_row", skippedInARow), ("metrics_bytes", metricsBytes),
      ("parameter_count", parameterCount),
    ] {
      try require((0..<1 << 48).contains(count), "\(name) \(count)")
    }
    try require(seconds >= 0, "seconds \(seconds)")
    try require(
      initialSparsity.map { (0...1).contains($0) } ?? true,
      "initial_sparsity \(initialSparsity ?? 0)")
    let cells = Cells(parameterCount: parameterCount)
    try require(
      cellSize == cells.size && cellCount == cells.count, "\(cellCount) cells of \(cellSize)")
    try require(settingsSha256 == SHA256.of(settings), "settings_sha256 of other settings")
    let names = files.map(\.name)
    try require(Set(names).count == names.count, "two files of the same name")
    try require(names.contains(Checkpoint.model), "\(Checkpoint.model) is missing")
    try require(
      names.contains(Checkpoint.masks) == (initialSparsity != nil),
      "initial_sparsity without \(Checkpoint.masks), or the reverse")
    try require(
      names.contains(Checkpoint.curvature) == hasWindow,
      "has_window \(hasWindow) with these files")
    for entry in files {
      try require(
        !entry.name.contains("/") && entry.name.hasSuffix(".safetensors") && entry.bytes >= 0,
        "file '\(entry.name)'")
      try require(
        (entry.cells == nil)
          == (Checkpoint.whole.contains(entry.name) || entry.family == Checkpoint.placed),
        "cells missing or unexpected in '\(entry.name)'")
      try require(
        entry.cells.map { $0.count == 2 && 0 <= $0[0] && $0[0] < $0[1] && $0[1] <= cellCount }
          ?? true, "cells \(entry.cells ?? []) in '\(entry.name)'")
    }
    let families = Dictionary(grouping: files.filter { $0.cells != nil }, by: \.family)
    for (family, entries) in families {
      var end = 0
      for entry in entries {
        try require(entry.cells?.first == end, "cells missing before '\(entry.name)'")
        end = entry.cells![1]
      }
      try require(end == cellCount, "\(family) has \(end) of \(cellCount) cells")
    }
  }
}

extension Manifest {
  /// A setting whose value differs from the checkpoint's.
  package struct Difference {
    package let key: String
    package let stored: String
    package let now: String

    package var diagnostic: Diagnostic { "\(setting: key) is \(now), and was \(stored)" }
  }

  /// Returns the settings that differ from the checkpoint's.
  package func differences(from configuration: String) -> [Difference] {
    Self.differences(from: settings, to: configuration)
  }

  /// Returns the settings that differ between two runs. Ignores those that concern files, saving
  /// and what the program shows.
  package static func differences(from stored: String, to now: String) -> [Difference] {
    let other: Set = [
      "run-directory", "progress", "log-view", "tensorboard", "spectrum-every", "save-every-steps",
      "save-every-minutes", "keep-last", "checkpoint-window", "resume", "watchdog-seconds",
      "check-collectives",
    ]
    // Manifests of earlier versions lack these settings, which were added later and had these
    // values. They have the initial weights under an old name.
    let added = [
      "precision": "float32", "muon-momentum": "0.95", "muon-nesterov": "true",
      "muon-iterations": "5", "muon-adamw-rate": "0.0003", "preset": "published",
      "metric": "identity", "metric-decay": "0.99", "metric-epsilon": "1e-08",
      "history-decay": "0.0", "history": "average", "kl-clip": "inf",
    ]
    var stored = values(stored)
    let now = values(now)
    if let weights = stored.removeValue(forKey: "initial-weights") { stored["weights"] = weights }
    // Runs with other optimizers write M-FAC's settings too, whose defaults have changed.
    let idle: Set =
      stored["optimizer"] == "mfac"
      ? [] : ["preset", "window", "window-type", "metric", "history-decay", "history"]
    // Only K-FAC had a bound, which all runs wrote.
    if stored["preset"] == nil, stored["optimizer"] != "kfac" { stored["kl-clip"] = nil }
    let keys = Set(stored.keys).union(now.keys).subtracting(other).subtracting(idle)
    return keys.sorted().compactMap { key in
      let (a, b) = (stored[key] ?? added[key] ?? "none", now[key] ?? "none")
      return a == b ? nil : Difference(key: key, stored: a, now: b)
    }
  }

  /// Maps each top-level key of a YAML text to its value, up to the next key, in one line.
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
