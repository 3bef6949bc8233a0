import Formats
import Foundation
import Sharding

/// The record of a checkpoint: where the run was, and what its files must be. It is written last,
/// and ends with the digest of all that stands before.
public struct Manifest: Codable, Sendable, Equatable {
  package static let fileName = "manifest.json"

  /// A file of the checkpoint.
  public struct File: Codable, Sendable, Equatable {
    /// Within the checkpoint's directory.
    public let name: String
    /// Its length.
    public let bytes: Int
    /// Its digest, in hexadecimal digits.
    public let sha256: String
    /// The cells that it has tensors of, from the first to before the last number; of files by
    /// cells.
    public var cells: [Int]?

    package init(name: String, bytes: Int, sha256: String) {
      (self.name, self.bytes, self.sha256) = (name, bytes, sha256)
    }

    /// The kind of tensors in it, such as `window`.
    package var family: Substring { name.prefix { $0 != "-" && $0 != "." } }
  }

  /// The form of checkpoints; there is but one so far.
  public var formatVersion = 1
  /// Steps taken.
  public var step: Int
  /// Where the data are to go on, both from 0.
  public var epoch: Int
  /// The batch of the epoch that comes next.
  public var batchInEpoch: Int
  /// Of the step to come.
  public var learningRate: Double
  /// Whether the evaluation that is due after the step has been made.
  public var isEvaluated: Bool
  /// Steps left out one after another, up to this one, for gradients that were not finite.
  public var skippedInARow: Int
  /// Seconds that the run has taken, in all, and without evaluations and checkpoints.
  public var seconds: Double
  /// The same without evaluations and checkpoints.
  public var trainingSeconds: Double
  /// Length of `metrics.jsonl`.
  public var metricsBytes: Int
  /// d.
  public var parameterCount: Int
  /// Coordinates in a cell.
  public var cellSize: Int
  /// Cells that hold coordinates.
  public var cellCount: Int
  /// Whether the window is in it, where the optimizer has one.
  public var hasWindow: Bool
  /// That of the masks with which the run began, where it has masks.
  public var initialSparsity: Double?
  /// The optimizer's numbers, by name.
  public var optimizer: [String: Double]
  /// As resolved, in YAML.
  public var settings: String
  /// Digest of the settings' text.
  public var settingsSha256: String
  /// Digests of what the settings name.
  public var network: String
  /// Digest of the training data.
  public var trainingData: String
  /// What bytes depend on beside the settings: OpenBLAS's kernels, and the program.
  public var coreType: String
  /// Digest of the program's file.
  public var programSha256: String
  /// All but the manifest itself.
  public var files: [File]

  /// Records a run between two steps.
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

  /// The text of the file.
  package func text() throws -> String { try SealedJSON.text(of: self, digest: Self.digestKey) }

  /// - Throws: `InputError` naming the file, where it is not one that `text` has made.
  package init(text bytes: [UInt8], file: String) throws(InputError) {
    self = try SealedJSON.record(Self.self, from: bytes, file: file, digest: Self.digestKey)
    try check(file)
  }

  /// Checks what is to be relied on.
  private func check(_ file: String) throws(InputError) {
    func require(_ holds: Bool, _ what: String) throws(InputError) {
      guard holds else { throw InputError(file, "\(what) cannot be") }
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
    try require(Set(names).count == names.count, "a file twice")
    try require(names.contains(Checkpoint.model), "no \(Checkpoint.model)")
    try require(
      names.contains(Checkpoint.masks) == (initialSparsity != nil),
      "an initial_sparsity without \(Checkpoint.masks), or the reverse,")
    try require(
      names.contains(Checkpoint.curvature) == hasWindow,
      "has_window \(hasWindow) with these files")
    for entry in files {
      try require(
        !entry.name.contains("/") && entry.name.hasSuffix(".safetensors") && entry.bytes >= 0,
        "a file '\(entry.name)'")
      try require(
        (entry.cells == nil)
          == (Checkpoint.whole.contains(entry.name) || entry.family == Checkpoint.placed),
        "cells or none in '\(entry.name)'")
      try require(
        entry.cells.map { $0.count == 2 && 0 <= $0[0] && $0[0] < $0[1] && $0[1] <= cellCount }
          ?? true, "cells \(entry.cells ?? []) in '\(entry.name)'")
    }
    let families = Dictionary(grouping: files.filter { $0.cells != nil }, by: \.family)
    for (family, entries) in families {
      var end = 0
      for entry in entries {
        try require(entry.cells?.first == end, "a gap before '\(entry.name)'")
        end = entry.cells![1]
      }
      try require(end == cellCount, "\(family) of \(end) cells in place of \(cellCount)")
    }
  }
}

extension Manifest {
  /// A setting that has another value now.
  package struct Difference {
    package let key: String
    package let stored: String
    package let now: String

    package var diagnostic: Diagnostic { "\(setting: key) is \(now), and was \(stored)" }
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
    // Earlier manifests lack settings that came later, and have others under an old name.
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

  /// Maps each key at the margin of a YAML text to the lines up to the next key.
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
