import Formats
import MPI
import TrainedModels
import Training

/// Vectors [k, d] of a model's weights, in a file of the form that gradients have.
struct VectorFile {
  /// k.
  let count: Int
  private let file: GradientFile
  /// For each of the model's tensors, where it is in the file's vector.
  private let starts: [Int]
  private let tensors: [WeightFile.Tensor]

  /// - Parameter weights: the model's file.
  /// - Throws: `InputError` naming the file, and the tensor that does not fit.
  init(_ path: String, of model: any TrainedModel, weights: String) throws(InputError) {
    let names = Set(model.tensors.map(\.name))
    let weights = try WeightFile(path: weights) { names.contains($0.name) }
    file = try GradientFile(path: path, of: weights)
    count = file.rowCount
    tensors = model.tensors
    starts = tensors.map { tensor in
      weights.tensors.first { $0.name == tensor.name }!.range.lowerBound
    }
  }

  /// Part of a vector as the file has it, in the order of the model's.
  func slice(_ slice: Range<Int>, ofVector row: Int) throws(InputError) -> [Double] {
    var numbers: [Double] = []
    for (tensor, start) in zip(tensors, starts) {
      let local = tensor.range.clamped(to: slice)
      guard !local.isEmpty else { continue }
      let first = start + local.lowerBound - tensor.range.lowerBound
      var part = [Double](repeating: 0, count: local.count)
      try part.withUnsafeMutableBufferPointer { part throws(InputError) in
        try file.read(row: row, columns: first..<first + local.count, into: part)
      }
      numbers += part
    }
    return numbers
  }
}
