import ArgumentParser
import Checkpoints
import Glibc
import ProgramOptions
import Training

/// The options for checkpoints, resuming and failure detection.
struct ReliabilitySettings: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .init("Save a checkpoint every N steps. (default: only on a signal)", valueName: "n"))
  var saveEverySteps: Int?

  @Option(
    parsing: .unconditional,
    help: .advanced("Also save a checkpoint every N minutes.", valueName: "n"))
  var saveEveryMinutes: Double?

  @Option(
    parsing: .unconditional,
    help: .advanced("Number of newest checkpoints to keep.", valueName: "count"))
  var keepLast = 2

  @Option(
    help: .advanced(
      """
      Save the window in checkpoints: yes or no. Without it they are small, and the window refills \
      after a resume. (mfac)
      """))
  var checkpointWindow = Answer.yes

  @Option(
    help: .init(
      """
      Resume from the newest intact checkpoint of --run-directory (auto), or from a checkpoint's \
      directory.
      """, valueName: "from"))
  var resume = "never"

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Abort the job if a rank waits this many seconds for others, and name them; 0 disables.",
      valueName: "seconds"))
  var watchdogSeconds = 600.0

  @Flag(
    inversion: .prefixedNo,
    help: .advanced("Compare each collective operation across the ranks before it starts."))
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
  /// Checks `--resume`. Call this function once flags have replaced the file's values, so that a
  /// replaced value is not checked.
  ///
  /// - Throws: `ValidationError`.
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
