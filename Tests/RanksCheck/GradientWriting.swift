import Datasets
import Formats
import Glibc
import LinearAlgebra
import MPI
import Networks
import ProgramOptions
import Sharding
import TrainedModels
import Training

/// Writes rows of a network's gradients on the digits, like another framework: `.safetensors` with
/// a tensor for each of the network's, or `.npy` with one array.
///
/// - Parameter arguments: the model file, its weights, the first row and the number of rows, the
///   output.
func writeGradients(_ arguments: [String]) -> Never {
  BLAS.repairCoreType()
  BLAS.useOneThread()
  Launcher.run { world in
    let (first, count) = (Int(arguments[2])!, Int(arguments[3])!)
    let dataset = try DatasetSource.digits.load()
    let description = try NetworkDescription(
      yaml: try TextFile.read(arguments[0]), file: arguments[0])
    let model = try TrainedNetwork<Float>(
      description, name: "", weights: arguments[1], dataset: dataset, loss: .crossEntropy(),
      rowCount: count, examplesPerRow: 1, seed: 0, on: world)
    var rows: [Float] = []
    let partition = CellPartition(Cells(parameterCount: model.count), over: 1)
    try model.gradients(of: partition, kept: { _ in 0 }, on: world).collect(
      rows: first..<first + count, at: model.weights, over: world
    ) { rows += $1 }
    let output = arguments[4]
    guard output.hasSuffix(".npy") else {
      // The columns of each tensor, row by row; the tensors are in another order than the weights.
      let tensors = model.tensors.reversed().map { tensor in
        var columns: [Float] = []
        for row in 0..<count {
          let start = row * model.count + tensor.range.lowerBound
          columns += rows[start..<start + tensor.range.count]
        }
        let values = Buffer<Float>(count: columns.count)
        _ = values.all.update(fromContentsOf: columns)
        return (tensor.name, [count] + tensor.shape, values)
      }
      return try withExtendedLifetime(tensors) {
        try SafetensorsFile.write(
          tensors.map { ($0, $1, UnsafeBufferPointer($2.all)) }, to: output)
      }
    }
    let header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (\(count), \(model.count)), }"
    let padding = String(repeating: " ", count: (64 - (11 + header.utf8.count) % 64) % 64) + "\n"
    let text = Array((header + padding).utf8)
    try AtomicFile.write(to: output) { file throws(InputError) in
      try file.write([0x93] + Array("NUMPY".utf8) + [1, 0])
      try file.write([UInt8(text.count & 255), UInt8(text.count >> 8)] + text)
      try rows.withUnsafeBufferPointer { rows throws(InputError) in
        try file.write(UnsafeRawBufferPointer(rows))
      }
    }
  }
}
