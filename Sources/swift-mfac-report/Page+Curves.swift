import Foundation
import Plots

extension Page {
  /// The figures of all quantities, by steps and by seconds, with shared axes.
  var curves: [String] {
    let longest = runs.map(\.metrics.steps.count).max() ?? 0
    var sentences = [
      "Times are training times, without evaluations and checkpoints.",
      "Gaps mark numbers that are not finite.",
    ]
    if longest * Curve.smoothedShare / 100 > 1 {
      let faint =
        Curve.hidesRaw(runs: runs.count)
        ? "single steps are not drawn for more than \(Curve.mostRaw) runs."
        : "faint lines show single steps."
      sentences.append(
        "Loss, norms and angle are moving means over \(Curve.smoothedShare)\u{a0}% of a run's "
          + "steps, centred on each step; \(faint)")
    }
    if longest > 4 * columns {
      sentences.append(
        "Runs of more than \(4 * columns) steps are thinned: each of \(columns) parts of a line "
          + "keeps its first, last, lowest and highest number.")
    }
    if seedGroups.shareColors {
      sentences.append("Runs that differ only in their seed share a colour.")
    }
    let figures = figures
    return figures.isEmpty ? [] : [HTML.paragraph(sentences.joined(separator: " "))] + figures
  }

  /// Number of parts for thinning a line; it decreases as the number of lines grows.
  private var columns: Int { min(200, max(50, 2000 / max(runs.count, 1))) }

  private var figures: [String] {
    func steps(_ quantity: Metrics.Quantity, scale: Double = 1) -> (TrainingRun) -> CurvePoints? {
      { run in
        run.metrics[quantity].map { column in
          CurvePoints(
            steps: run.metrics.steps, seconds: run.metrics.seconds,
            values: scale == 1 ? column : column.map { $0 * scale })
        }
      }
    }
    func evaluations(
      scale: Double = 1, _ value: @escaping (Metrics.Evaluation) -> Double?
    ) -> (TrainingRun) -> CurvePoints? {
      { run in
        let all = run.metrics.evaluations
        guard all.contains(where: { value($0) != nil }) else { return nil }
        return CurvePoints(
          steps: all.map { Double($0.step) }, seconds: all.map(\.trainingSeconds),
          values: all.map { value($0).map { $0 * scale } ?? .nan })
      }
    }
    let eigenvalues: [Curve.Line] = [
      .init(name: "largest", look: .line, points: steps(.gramLargest)),
      .init(name: "median", look: .computed, points: steps(.gramMedian)),
      .init(name: "smallest", look: .dotted, points: steps(.gramSmallest)),
    ]
    return [
      Curve("Training loss", isNoisy: true, points: steps(.loss)),
      Curve("Test loss", look: .measured, points: evaluations(\.loss)),
      Curve(
        "Test accuracy", unit: "%", look: .measured, points: evaluations(scale: 100, \.accuracy)),
      Curve("Test RMSE", look: .measured, points: evaluations(\.rootMeanSquaredError)),
      Curve("Learning rate", scale: .linear, points: steps(.learningRate)),
      Curve("Damping", unit: "λ", points: steps(.damping)),
      Curve("Gradient norm", isNoisy: true, points: steps(.gradientNorm)),
      Curve("Direction norm", isNoisy: true, points: steps(.directionNorm)),
      Curve(
        "Angle between gradient and direction", unit: "degrees", isNoisy: true, scale: .linear,
        points: steps(.angle)),
      Curve("Eigenvalues of the Gram matrix", scale: .logarithmic, lines: eigenvalues),
      Curve(
        "Effective rank of the Gram matrix", look: .measured, points: steps(.gramEffectiveRank)),
      Curve("Sparsity", unit: "% of the prunable weights", points: steps(.sparsity, scale: 100)),
    ].compactMap { $0.figure(of: runs, seedGroups, names, columns: columns) }
  }
}

/// Holds the values of a quantity with their steps and times.
struct CurvePoints {
  var steps: [Double]
  var seconds: [Double]
  var values: [Double]

  func thinned(columns: Int) -> CurvePoints {
    let kept = Plots.thinned(x: steps, y: values, columns: columns)
    return CurvePoints(
      steps: kept.map { steps[$0] }, seconds: kept.map { seconds[$0] },
      values: kept.map { values[$0] })
  }

  func smoothed(width: Int) -> CurvePoints {
    CurvePoints(
      steps: steps, seconds: seconds, values: Plots.smoothed(values, width: width))
  }

  /// The points without gaps if most values are not finite, else all points.
  var known: CurvePoints {
    let kept = values.indices.filter { values[$0].isFinite }
    guard kept.count < values.count / 2 else { return self }
    return CurvePoints(
      steps: kept.map { steps[$0] }, seconds: kept.map { seconds[$0] },
      values: kept.map { values[$0] })
  }
}
