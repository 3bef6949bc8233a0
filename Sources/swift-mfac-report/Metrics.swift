import Formats
import Foundation
import MPI
import RunRecords
import TrainedModels

/// Reads `metrics.jsonl` into columns. NaN replaces a null or missing number.
struct Metrics {
  /// Names a number in a step's line.
  enum Quantity: String, CaseIterable {
    case loss
    case learningRate = "learning_rate"
    case damping
    case gradientNorm = "gradient_norm"
    case directionNorm = "direction_norm"
    case angle
    case gramLargest = "gram_largest"
    case gramMedian = "gram_median"
    case gramSmallest = "gram_smallest"
    case gramEffectiveRank = "gram_effective_rank"
    case sparsity
  }

  struct Evaluation {
    let step: Int
    /// Nil if the loss was not finite.
    let loss: Double?
    let accuracy: Double?
    let rootMeanSquaredError: Double?
    let trainingSeconds: Double
    let secondsSinceStart: Double
  }

  private(set) var steps: [Double] = []
  /// Seconds of training at the end of each step.
  private(set) var seconds: [Double] = []
  private(set) var evaluations: [Evaluation] = []
  private(set) var skipped = 0
  /// Total seconds of each phase over all steps, by the phases' names.
  private(set) var phaseSeconds: [String: Double] = [:]
  private var columns: [Quantity: [Double]] = [:]

  /// Reads a file.
  ///
  /// - Throws: `InputError` naming the first line that is not a run's.
  init(of path: String) throws {
    let lines = JSONLines<MetricsLine>(
      of: path,
      expected: "a step's, an evaluation's or a removal's numbers, as swift-mfac-train writes")
    // Collects the steps' durations until the next evaluation gives the exact time.
    var clock = StepClock()
    try lines.read { line throws(InputError) in
      if let trainingSeconds = line.trainingSeconds {
        evaluations.append(
          Evaluation(
            step: line.step, loss: line.testLoss, accuracy: line.testAccuracy,
            rootMeanSquaredError: line.testRmse, trainingSeconds: trainingSeconds,
            secondsSinceStart: line.secondsSinceStart ?? trainingSeconds))
        clock.set(trainingSeconds, &seconds)
      } else if let phases = line.seconds {
        add(line, phases)
        clock.add(phases.values.reduce(0, +))
      }
    }
    clock.finish(&seconds)
  }

  /// Returns the column of a quantity; nil if no step has it.
  subscript(_ quantity: Quantity) -> [Double]? {
    columns[quantity].map { column in
      column + [Double](repeating: .nan, count: steps.count - column.count)
    }
  }

  private mutating func add(_ line: MetricsLine, _ phases: [String: Double]) {
    for (quantity, value) in line.values {
      guard let value else { continue }
      var column = columns.removeValue(forKey: quantity) ?? []
      column += [Double](repeating: .nan, count: steps.count - column.count)
      column.append(value)
      columns[quantity] = column
    }
    steps.append(Double(line.step))
    if line.skipped == true { skipped += 1 }
    for (phase, seconds) in phases { phaseSeconds[phase, default: 0] += seconds }
  }

  /// Mean seconds per step of each phase; known phases in the program's order, then the others.
  var phases: [(name: String, seconds: Double)] {
    let known = Phase.allCases.map(\.rawValue)
    let others = phaseSeconds.keys.filter { !known.contains($0) }.sorted()
    return (known + others).compactMap { name in
      phaseSeconds[name].map { (name, $0 / Double(steps.count)) }
    }
  }
}

/// Computes the end time of each step. The phases' seconds add up to less than the real time, so
/// the last step before an evaluation ends at the evaluation's time.
private struct StepClock {
  private var pending: [Double] = []

  mutating func add(_ step: Double) { pending.append(step) }

  /// Assigns end times to the pending steps.
  ///
  /// - Parameter end: end time of the last pending step.
  mutating func set(_ end: Double, _ seconds: inout [Double]) {
    var time = end - pending.reduce(0, +)
    for step in pending {
      time += step
      // End times never decrease.
      seconds.append(max(time, seconds.last ?? 0))
    }
    pending = []
  }

  /// Assigns consecutive end times to the steps after the last evaluation.
  mutating func finish(_ seconds: inout [Double]) {
    set((seconds.last ?? 0) + pending.reduce(0, +), &seconds)
  }
}

extension MetricsLine {
  fileprivate var values: [(Metrics.Quantity, Double?)] {
    [
      (.loss, loss), (.learningRate, learningRate), (.damping, damping),
      (.gradientNorm, gradientNorm), (.directionNorm, directionNorm), (.angle, angle),
      (.gramLargest, gramLargest), (.gramMedian, gramMedian), (.gramSmallest, gramSmallest),
      (.gramEffectiveRank, gramEffectiveRank), (.sparsity, sparsity),
    ]
  }
}
