import Checkpoints

/// Where a run is between two steps, as its checkpoints have it.
struct Position {
  /// Steps taken.
  var step = 0
  /// Steps left out one after another, up to this one.
  var skippedInARow = 0
  /// Whether the evaluation that is due after the step has been made.
  var isEvaluated = false
  /// Seconds of the processes before this one: in all, and of training alone.
  let secondsBefore: Double
  let trainingSecondsBefore: Double
  let trainingData: String
  /// The step of the newest checkpoint, and when it was made.
  var saved: (step: Int, at: ContinuousClock.Instant)

  /// - Parameters:
  ///   - manifest: of the checkpoint that the run is resumed from.
  ///   - trainingData: their digest.
  init(_ manifest: Manifest?, trainingData: String) {
    step = manifest?.step ?? 0
    skippedInARow = manifest?.skippedInARow ?? 0
    isEvaluated = manifest?.isEvaluated ?? false
    secondsBefore = manifest?.seconds ?? 0
    trainingSecondsBefore = manifest?.trainingSeconds ?? 0
    self.trainingData = trainingData
    saved = (step, .now)
  }
}
