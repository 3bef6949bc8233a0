import Glibc
import MFAC

/// Computes L(w) = mean over rows of log(1 + exp(−y w·x)) + μ/2 ‖w‖².
///
/// The scales of the features x differ by up to 30 times; a logistic model has drawn the labels y =
/// ±1.
struct LogisticRegression {
  let rows: Int
  let features: Int
  /// μ.
  let ridge: Float
  /// [rows, features]
  private let x: [Float]
  /// [rows]
  private let y: [Float]

  init(rows: Int, features: Int, ridge: Float) {
    self.rows = rows
    self.features = features
    self.ridge = ridge
    let inputs = CounterRandom(seed: 1, stream: 0)
    let x = (0..<rows * features).map { i in
      Float(inputs.normal(at: UInt64(i)) * pow(30, -Double(i % features) / Double(features)))
    }
    let teacher = CounterRandom(seed: 1, stream: 1)
    let labels = CounterRandom(seed: 1, stream: 2)
    y = (0..<rows).map { row in
      let z = (0..<features).reduce(0) {
        $0 + Double(x[row * features + $1]) * teacher.normal(at: UInt64($1))
      }
      return labels.uniform(at: UInt64(row)) < 1 / (1 + exp(-z)) ? 1 : -1
    }
    self.x = x
  }

  /// Returns L of some rows and adds their gradient to `gradient`.
  func loss(
    ofRows rows: Range<Int>, at w: Span<Float>, gradient: inout MutableSpan<Float>
  ) -> Double {
    var sum = 0.0
    for row in rows {
      let x = x[row * features..<(row + 1) * features]
      let z = y[row] * zip(x, w.indices).reduce(0) { $0 + $1.0 * w[$1.1] }
      sum += Double(log1p(exp(-z)))
      let slope = -y[row] / (1 + exp(z)) / Float(rows.count)
      for (x, i) in zip(x, w.indices) { gradient[i] += slope * x }
    }
    sum /= Double(rows.count)
    for i in w.indices {
      sum += Double(ridge * w[i] * w[i] / 2)
      gradient[i] += ridge * w[i]
    }
    return sum
  }

  /// Returns L of all rows, and its gradient.
  func lossAndGradient(at w: [Float]) -> (Double, [Float]) {
    var gradient = [Float](repeating: 0, count: features)
    var span = gradient.mutableSpan
    let loss = loss(ofRows: 0..<rows, at: w.span, gradient: &span)
    return (loss, gradient)
  }
}
