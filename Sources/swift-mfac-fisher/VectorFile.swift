import Formats
import MPI
import TrainedModels
import Training

/// A file of k vectors in the shape of a model's weights, [k, d], in the format of a gradient file.
struct VectorFile {
  /// k, the number of vectors.
  let count: Int
  private let file: GradientFile
  /// The first index of each of the model's tensors in the file's vector.
  private let starts: [Int]
  private let tensors: [WeightFile.Tensor]

  /// Opens a file of vectors.
  ///
  /// - Parameters:
  ///   - path: the file of vectors.
  ///   - model: the model whose weights the vectors match.
  ///   - weights: the model's weight file.
  /// - Throws: `InputError` naming the file and the tensor that does not fit.
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

  /// Returns a slice of a vector; the slice counts in the model's order of tensors.
  ///
  /// - Parameters:
  ///   - slice: coordinates in [0, d).
  ///   - row: index of the vector, from 0.
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
