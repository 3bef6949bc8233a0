import LinearAlgebra

extension Network {
  /// Allocates the memory for tangents; otherwise the first call that needs them does.
  package func prepareTangents() { _ = tangents }

  /// Computes the outputs z and their exact derivatives J v along directions v of the parameters.
  /// It takes one forward pass, and for each direction one more of about twice its cost.
  ///
  /// - Parameters:
  ///   - inputs: [n, inputCount]
  ///   - parameters: [d]
  ///   - state: [s]
  ///   - directions: k directions, each [d].
  ///   - outputs: z [n, positions, outputCount], overwritten.
  ///   - tangents: J v [k, n, positions, outputCount], overwritten.
  ///   - training: set for the outputs of training. J then includes the derivatives through the
  ///     examples' own means and variances, and has zeros where a dropout drops.
  ///
  /// This is forward differentiation, the R-operator of Pearlmutter, 1994. At a kink of an
  /// activation or a maximum, the derivative is that of `lossAndGradient`.
  public func outputTangents(
    inputs: UnsafeBufferPointer<Element>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element> = UnsafeBufferPointer(start: nil, count: 0),
    directions: [UnsafeBufferPointer<Element>], outputs: UnsafeMutableBufferPointer<Element>,
    tangents: UnsafeMutableBufferPointer<Element>, training: TrainingPass<Element>? = nil
  ) {
    forward(
      inputs: inputs, parameters: parameters, state: state, outputs: outputs, training: training)
    precondition(
      tangents.count == directions.count * outputs.count,
      "\(tangents.count) elements for \(directions.count) tangents of \(outputs.count)")
    guard outputs.count > 0 else { return }
    let pass = pass(inputs, parameters, state, training)
    for (index, direction) in directions.enumerated() {
      precondition(
        direction.count == parameterCount,
        "direction of \(direction.count) elements for \(parameterCount) parameters")
      let tangent = tangents.baseAddress! + index * outputs.count
      if let result = self.tangent(pass, along: direction.baseAddress!) {
        tangent.update(from: result, count: outputs.count)
      } else {
        tangent.update(repeating: 0, count: outputs.count)
      }
    }
  }

  /// Returns the tangent of the preceding forward pass's outputs; nil means zeros, if no
  /// parameters precede the outputs.
  private func tangent(
    _ pass: Pass, along direction: UnsafePointer<Element>
  ) -> UnsafePointer<Element>? {
    func place(_ value: Int) -> UnsafeMutablePointer<Element>? {
      plan.tangents.places[value].map { tangents.pointer + $0 }
    }
    for (index, step) in plan.steps.enumerated() where step.layer.outputPlace != .sameAsInput {
      guard let y = place(step.y) else { continue }
      step.layer.tangent(
        call(pass, index), x: value(step.x, pass), y: value(step.y, pass),
        LayerTangents(
          x: place(step.x).map { UnsafePointer($0) },
          addend: step.addend.flatMap { place($0) }.map { UnsafePointer($0) },
          parameters: direction + (step.parameters ?? 0), y: y))
    }
    return place(plan.places.count - 1).map { UnsafePointer($0) }
  }
}
