import ArgumentParser
import LinearAlgebra

/// The scalar of a network's numbers.
package struct PrecisionSettings: ParsableArguments {
  @Option(
    help: """
      Of parameters, gradients and all that is computed from them: float32, or float64 in twice \
      the memory and time.
      """)
  package var precision = Precision.float32

  package init() {}
}

extension Precision: ExpressibleByArgument {}
