/// What training minimises, as a mean over the examples.
public enum Loss: String, CaseIterable, Sendable {
  /// −log softmax(z)[label]
  case crossEntropy = "cross-entropy"
  /// Σ_o (z_o − t_o)² / outputs with t the label's unit vector.
  case meanSquaredError = "mean-squared-error"
}
