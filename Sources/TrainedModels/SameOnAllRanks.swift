import Datasets
import Formats
import LinearAlgebra
import MPI

extension Communicator {
  /// Checks that the same arithmetic on all ranks gives the same bits. Collective.
  package func requireSameArithmetic() throws {
    try requireSame("the OpenBLAS core type", BLAS.coreType)
    try requireSame("fused multiply-add of the CPU", CPU.fusesMultiplyAdd ? "yes" : "none")
  }

  /// Checks that all ranks have read the same weights. Collective.
  ///
  /// - Parameters:
  ///   - parameters: [d]
  ///   - state: [s]
  package func requireSame<Element: Scalar>(
    parameters: UnsafeMutableBufferPointer<Element>, state: UnsafeMutableBufferPointer<Element>
  ) throws {
    var digest = Digest()
    digest.add(UnsafeRawBufferPointer(parameters))
    digest.add(UnsafeRawBufferPointer(state))
    try requireSame("the digest of the weights", digest.text)
  }
}

extension Dataset {
  /// Checks that all ranks hold the same examples. Collective.
  ///
  /// - Returns: a digest of the training data.
  package func requireSame(on world: Communicator) throws -> String {
    let parts: [(String, any Examples)] = [("training", training), ("test", test)]
    let digests = try parts.map { name, examples in
      var digest = Digest()
      examples.withBytes { digest.add($0) }
      try world.requireSame("the digest of the \(name) data", digest.text)
      return digest.text
    }
    return digests[0]
  }
}
