import LinearAlgebra

extension Loss {
  /// Computes the quadratic form `tᵢᵀ H tⱼ` of k tangents, with H the Hessian of the loss with
  /// respect to the outputs z.
  ///
  /// The form is summed over the predictions in double precision and, like the loss, not scaled.
  /// With `tᵢ = J vᵢ` of `Network.outputTangents` it is the Gauss-Newton form vᵢᵀ JᵀHJ vⱼ.
  ///
  ///   cross-entropy         H = diag(p) − p pᵀ, p = softmax(z), whatever the label smoothing
  ///   mean squared error    H = 2/outputs
  ///   binary cross-entropy  H = diag(σ(z)(1 − σ(z)))/outputs
  ///
  /// None of them depends on the targets. Schraudolph, 2002.
  ///
  /// - Parameters:
  ///   - outputs: z [predictions, outputCount]
  ///   - tangents: t [k, predictions, outputCount]
  ///   - count: k
  /// - Returns: a symmetric positive semidefinite matrix, shape [k, k].
  public func hessianForm<Element: Scalar>(
    outputs: UnsafeBufferPointer<Element>, outputCount: Int,
    tangents: UnsafeBufferPointer<Element>, count: Int
  ) -> [Double] {
    precondition(
      outputs.count % outputCount == 0 && tangents.count == count * outputs.count,
      "\(count) tangents of \(tangents.count) elements for \(outputs.count) by \(outputCount)")
    var form = [Double](repeating: 0, count: count * count)
    guard let z = outputs.baseAddress, let t = tangents.baseAddress else { return form }
    let predictions = outputs.count / outputCount
    var scratch = [Double](repeating: 0, count: outputCount + count)
    switch self {
    case .crossEntropy:
      Element.crossEntropyForm(
        examples: predictions, classes: outputCount, z, count: count, tangents: t,
        scratch: &scratch, addingTo: &form)
    case .meanSquaredError:
      Element.squaredErrorForm(
        examples: predictions, outputs: outputCount, count: count, tangents: t,
        scratch: &scratch, addingTo: &form)
    case .binaryCrossEntropy:
      Element.binaryCrossEntropyForm(
        examples: predictions, outputs: outputCount, z, count: count, tangents: t,
        scratch: &scratch, addingTo: &form)
    }
    for i in 0..<count {
      for j in 0..<i { form[j * count + i] = form[i * count + j] }
    }
    return form
  }
}
