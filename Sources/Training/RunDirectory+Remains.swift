import Checkpoints
import Formats
import Foundation
import RunRecords

extension RunDirectory {
  /// What earlier runs have left in a directory.
  struct Remains {
    /// A run's files, in the order in which they are looked for.
    private static let fileNames = [
      RunConfiguration.fileName, "metrics.jsonl", "model.safetensors", Masks.fileName,
      "environment.jsonl", "tensorboard",
    ]

    let path: String
    /// Those of a run's files that are there.
    let names: [String]
    /// The steps of which there are checkpoints, the newest first.
    let checkpoints: [Int]
    /// Of `config.yaml`; empty where there is none.
    let configuration: String
    /// Steps that `metrics.jsonl` tells of.
    let steps: Int
    /// Whether the run came to its end.
    let isFinished: Bool
    private let isLogEmpty: Bool

    /// - Throws: `InputError` where they cannot be read.
    init(of path: String) throws(InputError) {
      self.path = path
      names = Self.fileNames.filter { access("\(path)/\($0)", F_OK) == 0 }
      checkpoints = try CheckpointDirectory(ofRun: path).steps()
      configuration = (try? TextFile.read("\(path)/\(RunConfiguration.fileName)")) ?? ""
      // A run that is under way may write on; where it matters, the lock has been taken.
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
      // Half a line is none.
      let whole = bytes.prefix((bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)
      return whole.split(separator: UInt8(ascii: "\n")).last.flatMap {
        try? JSONDecoder().decode(MetricsLine.self, from: Data($0))
      }
    }

    var isEmpty: Bool { names.isEmpty && checkpoints.isEmpty }

    /// Whether there is more than what a run leaves that was stopped before its first step.
    var isWorthKeeping: Bool {
      !names.isEmpty
        && (!isLogEmpty || names.contains("model.safetensors") || names.contains(Masks.fileName))
    }

    /// Where what is there is kept when a run starts over.
    var asidePath: String { Self.freeName("\(path)/earlier-", from: 1) }

    /// A directory that another run can have.
    var freePath: String { Self.freeName("\(path)-", from: 2) }

    private static func freeName(_ start: String, from first: Int) -> String {
      var number = first
      while access("\(start)\(number)", F_OK) == 0 { number += 1 }
      return "\(start)\(number)"
    }

    /// Refuses a directory with a run in it, and says what to type.
    ///
    /// - Parameter totalSteps: of the run that is to be there.
    func checkIsFree(totalSteps: Int) throws(InputError) {
      // Checkpoints would be taken for this run's.
      let checkpoint = checkpoints.first.map(CheckpointDirectory(ofRun: path).path(step:))
      guard let name = names.first ?? checkpoint else { return }
      throw InputError(
        path, "holds a run already", expected: "a directory without \(name)",
        got: "one with it (\(advice(totalSteps: totalSteps)))")
    }

    private func advice(totalSteps: Int) -> Diagnostic {
      if let step = checkpoints.first, !isFinished || totalSteps > steps {
        return "\(setting: "resume", "auto") goes on from step \(step)"
      }
      if isFinished { return "that run is finished: \(replacement)" }
      return isWorthKeeping
        ? "it stopped after step \(steps) without a checkpoint: \(setting: "resume", "auto") "
          + "starts over, and keeps what is there in \(asidePath)"
        : "\(setting: "resume", "auto") starts there"
    }

    /// What becomes of a run that has no place beside a finished one.
    private var replacement: Diagnostic {
      "\(setting: "run-directory", freePath) is free; "
        + "\(setting: "overwrite") replaces what is there"
    }

    /// Tells a run that is finished from one that can go on or start over.
    ///
    /// - Parameter plan: of the run that is to go on.
    /// - Returns: what there is to say of a finished one of the same settings.
    /// - Throws: `InputError` where a finished run of other settings would be lost.
    func finished(as plan: TrainingPlan) throws(InputError) -> String? {
      guard isFinished else { return nil }
      let isSaved = plan.saving.everySteps != nil || plan.saving.everySeconds != nil
      let differences = Manifest.differences(from: configuration, to: plan.configuration)
      let goesFurther = plan.schedule.totalSteps > steps
      let isLonger =
        differences.allSatisfy { ["epochs", "steps"].contains($0.key) } && goesFurther
      if let newest = checkpoints.first {
        // A checkpoint of the end is the way on. An earlier one makes the same steps again, where
        // the settings are the same.
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
          ? "holds a finished run that made no checkpoint to go on from" : "holds a finished run",
        expected: "its settings, \(setting: first.key, first.stored)",
        got: "\(first.now) "
          + (isLonger && checkpoints.isEmpty
            ? "(\(setting: "weights", plan.model) \(setting: "run-directory", freePath) starts "
              + "from its network)"
            : "(\(replacement))"))
    }

    /// Moves what is there to a directory beside it.
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

    /// Removes what is there, checkpoints too.
    func remove() throws(InputError) {
      for step in checkpoints { try CheckpointDirectory(ofRun: path).remove(step: step) }
      for name in names { try CheckpointDirectory.remove("\(path)/\(name)") }
      try AtomicFile.synchronize(directory: path)
    }
  }
}
