import Checkpoints
import Formats
import Foundation
import RunRecords

extension RunDirectory {
  /// Describes what earlier runs have left in a directory.
  struct Remains {
    /// Files of a run, in the order in which they are looked for.
    private static let fileNames = [
      RunConfiguration.fileName, "metrics.jsonl", "model.safetensors", Masks.fileName,
      "environment.jsonl", "tensorboard",
    ]

    let path: String
    /// Names of the run's files that exist.
    let names: [String]
    /// Steps that have checkpoints, newest first.
    let checkpoints: [Int]
    /// Text of `config.yaml`; empty if it cannot be read.
    let configuration: String
    /// Last step in `metrics.jsonl`.
    let steps: Int
    /// True if the run is finished and its network exists.
    let isFinished: Bool
    private let isLogEmpty: Bool

    /// Reads what is in a directory.
    ///
    /// - Throws: `InputError` if the checkpoints or the log cannot be read.
    init(of path: String) throws(InputError) {
      self.path = path
      names = Self.fileNames.filter { access("\(path)/\($0)", F_OK) == 0 }
      checkpoints = try CheckpointDirectory(ofRun: path).steps()
      configuration = (try? TextFile.read("\(path)/\(RunConfiguration.fileName)")) ?? ""
      // A running process may still append lines; callers to whom that matters hold the lock.
      let log =
        try names.contains("metrics.jsonl")
        ? InputFile("\(path)/metrics.jsonl", mayChange: true) : nil
      isLogEmpty = log?.count == 0
      let last = try log.flatMap { log throws(InputError) in try Self.lastLine(of: log) }
      steps = last?.step ?? 0
      isFinished = last?.final == true && names.contains("model.safetensors")
    }

    private static func lastLine(of log: InputFile) throws(InputError) -> MetricsLine? {
      let bytes: [UInt8] = try log.read(max(0, log.count - (1 << 16))..<log.count)
      // The last line may be incomplete, and is then ignored.
      let whole = bytes.prefix((bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)
      return whole.split(separator: UInt8(ascii: "\n")).last.flatMap {
        try? JSONDecoder().decode(MetricsLine.self, from: Data($0))
      }
    }

    var isEmpty: Bool { names.isEmpty && checkpoints.isEmpty }

    /// True if there is more than a run leaves that was stopped before its first step.
    var isWorthKeeping: Bool {
      !names.isEmpty
        && (!isLogEmpty || names.contains("model.safetensors") || names.contains(Masks.fileName))
    }

    /// Directory to which the files are moved when a run starts over.
    var asidePath: String { Self.freeName("\(path)/earlier-", from: 1) }

    /// Directory that is free for another run.
    var freePath: String { Self.freeName("\(path)-", from: 2) }

    private static func freeName(_ start: String, from first: Int) -> String {
      var number = first
      while access("\(start)\(number)", F_OK) == 0 { number += 1 }
      return "\(start)\(number)"
    }

    /// Refuses a directory that holds a run, and says what to type.
    ///
    /// - Parameter totalSteps: steps of the run that is to start there.
    func checkIsFree(totalSteps: Int) throws(InputError) {
      // Existing checkpoints would be taken for those of the new run.
      let checkpoint = checkpoints.first.map(CheckpointDirectory(ofRun: path).path(step:))
      guard let name = names.first ?? checkpoint else { return }
      throw InputError(
        path, "holds a run already", expected: "a directory without \(name)",
        got: "one with it (\(advice(totalSteps: totalSteps)))")
    }

    private func advice(totalSteps: Int) -> Diagnostic {
      if let step = checkpoints.first, !isFinished || totalSteps > steps {
        return "\(setting: "resume", "auto") continues from step \(step)"
      }
      if isFinished { return "that run is finished: \(replacement)" }
      return isWorthKeeping
        ? "it stopped after step \(steps) without a checkpoint: \(setting: "resume", "auto") "
          + "starts over, and keeps what is there in \(asidePath)"
        : "\(setting: "resume", "auto") starts there"
    }

    /// Advice for a run whose directory holds a finished one.
    private var replacement: Diagnostic {
      "\(setting: "run-directory", freePath) is free; "
        + "\(setting: "overwrite") replaces what is there"
    }

    /// Decides whether the run in the directory is finished, or can be resumed or started over.
    ///
    /// - Parameter plan: the plan of the run to be resumed.
    /// - Returns: a message if a run with the same settings is finished; nil otherwise.
    /// - Throws: `InputError` if a finished run with other settings would be lost.
    func finished(as plan: TrainingPlan) throws(InputError) -> String? {
      guard isFinished else { return nil }
      let isSaved = plan.saving.everySteps != nil || plan.saving.everySeconds != nil
      let differences = Manifest.differences(from: configuration, to: plan.configuration)
      let goesFurther = plan.schedule.totalSteps > steps
      let isLonger =
        differences.allSatisfy { ["epochs", "steps"].contains($0.key) } && goesFurther
      if let newest = checkpoints.first {
        // A run can continue from a checkpoint of the last step. From an earlier checkpoint, the
        // same settings would only repeat the same steps.
        if differences.isEmpty {
          guard newest < steps, !isSaved else { return nil }
        } else if newest >= steps ? goesFurther : isLonger {
          return nil
        }
      }
      guard let first = differences.first else {
        return
          "\(path) is finished, after step \(steps); its network is in \(plan.model); nothing was "
          + "written"
      }
      throw InputError(
        path,
        checkpoints.isEmpty
          ? "holds a finished run without a checkpoint to continue from" : "holds a finished run",
        expected: "its settings, \(setting: first.key, first.stored)",
        got: "\(first.now) "
          + (isLonger && checkpoints.isEmpty
            ? "(\(setting: "weights", plan.model) \(setting: "run-directory", freePath) starts "
              + "from its network)"
            : "(\(replacement))"))
    }

    /// Moves the run's files to `asidePath`.
    func setAside() throws(InputError) {
      let aside = asidePath
      try AtomicFile.makeDirectories(aside)
      for name in names {
        guard rename("\(path)/\(name)", "\(aside)/\(name)") == 0 else {
          throw .system("\(path)/\(name)", "cannot be moved to \(aside)")
        }
      }
      try AtomicFile.synchronize(directory: aside)
      try AtomicFile.synchronize(directory: path)
    }

    /// Removes the run's files and checkpoints.
    func remove() throws(InputError) {
      for step in checkpoints { try CheckpointDirectory(ofRun: path).remove(step: step) }
      for name in names { try CheckpointDirectory.remove("\(path)/\(name)") }
      try AtomicFile.synchronize(directory: path)
    }
  }
}
