import ArgumentParser
import Checkpoints
import Glibc
import ProgramOptions
import Training

/// What is kept of a run while it goes on, and how it ends where it cannot.
struct ReliabilitySettings: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Steps between two checkpoints. (default: none but those that a signal asks for)")
  var saveEverySteps: Int?

  @Option(parsing: .unconditional, help: "Minutes between two checkpoints, beside those.")
  var saveEveryMinutes: Double?

  @Option(parsing: .unconditional, help: "Checkpoints that stay, the newest ones.")
  var keepLast = 2

  @Option(
    help: """
      yes or no: without the window checkpoints are small, and after a resume it fills anew (mfac).
      """)
  var checkpointWindow = Answer.yes

  @Option(
    help: """
      auto: go on from the newest whole checkpoint of --run-directory, or start where there is \
      none; a checkpoint's directory: go on from that one; never: start.
      """)
  var resume = "never"

  @Option(
    parsing: .unconditional,
    help: """
      A rank that has waited so long for others says for whom, and ends the job; 0: it waits for \
      ever.
      """)
  var watchdogSeconds = 600.0

  @Flag(
    inversion: .prefixedNo,
    help: "Compare each collective operation across the ranks before it begins, to find mistakes.")
  var checkCollectives = false

  func validate() throws {
    if let saveEverySteps {
      try require("--save-every-steps", in: 1...1_000_000_000, saveEverySteps)
    }
    if let saveEveryMinutes {
      try require(
        saveEveryMinutes > 0 && saveEveryMinutes <= 1e6, "--save-every-minutes", "in (0, 1e6]",
        saveEveryMinutes)
    }
    try require("--keep-last", in: 1...1_000_000, keepLast)
    try require(
      watchdogSeconds >= 0 && watchdogSeconds <= 1e9, "--watchdog-seconds", "in 0...1e9",
      watchdogSeconds)
  }
}

extension ReliabilitySettings {
  /// Checks what a flag may have replaced.
  func resolve() throws {
    if ["auto", "never"].contains(resume) || access("\(resume)/manifest.json", F_OK) == 0 {
      return
    }
    let newest = try? CheckpointDirectory(ofRun: resume).steps().first
    try require(
      false, "--resume", "auto, never or a checkpoint's directory",
      resume.isEmpty
        ? "nothing"
        : resume
          + (newest.map {
            " (type --resume \(CheckpointDirectory(ofRun: resume).path(step: $0)))"
          } ?? ""))
  }

  var saving: TrainingPlan.Saving {
    var saving = TrainingPlan.Saving()
    saving.everySteps = saveEverySteps
    saving.everySeconds = saveEveryMinutes.map { 60 * $0 }
    saving.keepLast = keepLast
    saving.includesWindow = checkpointWindow == .yes
    return saving
  }

  var beginning: TrainingPlan.Resume {
    switch resume {
    case "never": .never
    case "auto": .automatic
    default: .from(resume)
    }
  }
}
