import Datasets

/// Wrappers of `fill` that return new arrays, prefilled with other numbers.
extension Examples {
  func inputs(_ indices: [Int], epoch: Int? = nil) -> [Float] {
    var inputs = [Float](repeating: .nan, count: indices.count * inputCount)
    inputs.withUnsafeMutableBufferPointer { fill(inputs: $0, with: indices[...], epoch: epoch) }
    return inputs
  }

  func classes(_ indices: [Int]) -> [Int32] {
    var classes = [Int32](repeating: -1, count: indices.count * targets.positions)
    classes.withUnsafeMutableBufferPointer { fill(classes: $0, with: indices[...]) }
    return classes
  }

  func values(_ indices: [Int]) -> [Float] {
    var values = [Float](repeating: .nan, count: indices.count * targets.outputs)
    values.withUnsafeMutableBufferPointer { fill(values: $0, with: indices[...]) }
    return values
  }

  var allIndices: [Int] { Array(0..<count) }

  /// The bytes that ranks compare.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    withBytes { bytes += $0 }
    return bytes
  }
}
