import Checkpoints
import Formats
import LinearAlgebra
import MPI
import Networks
import Pruning
import TrainedModels

/// Marks the removed weights of a run; the same on all ranks.
struct Masks {
  static let fileName = Checkpoint.masks

  /// All tensors of the network; the prunable ones have a mask.
  let tensors: [WeightTensor]
  /// Mask of the whole vector [d].
  var mask: Mask

  /// Creates masks that remove nothing.
  init(of tensors: [WeightTensor]) {
    self.tensors = tensors
    mask = Mask(slice: 0..<(tensors.last?.range.upperBound ?? 0))
  }

  /// Reads the masks of a file.
  init(reading path: String, of tensors: [WeightTensor]) throws(InputError) {
    self.tensors = tensors
    mask = try Mask(
      reading: path, of: tensors, slice: 0..<(tensors.last?.range.upperBound ?? 0))
    for tensor in tensors where !tensor.isPrunable {
      guard tensor.range.allSatisfy({ mask.isKept[$0] }) else {
        throw InputError(
          path, "it removes weights of '\(tensor.name)', which is not to be pruned",
          expected: "a mask of "
            + InputError.list(tensors.filter(\.isPrunable).map(\.name)))
      }
    }
  }

  /// True for each removed parameter; shape [d].
  var removed: [Bool] { mask.isKept.map { !$0 } }

  /// Number of prunable weights, and of those that are removed.
  var counts: (all: Int, removed: Int) {
    tensors.filter(\.isPrunable).reduce((0, 0)) { sums, tensor in
      (sums.0 + tensor.range.count, sums.1 + tensor.range.count { !mask.isKept[$0] })
    }
  }

  /// Share of the prunable weights that are removed.
  var sparsity: Double { Double(counts.removed) / Double(max(counts.all, 1)) }

  func write(to path: String) throws(InputError) {
    try AtomicFile.write(to: path) { file throws(InputError) in try write(to: file) }
  }

  /// Writes to an open file that does not have its final name yet; see `Mask.write`.
  func write(to file: OutputFile) throws(InputError) {
    let tensors = tensors.filter(\.isPrunable)
    try SafetensorsFile.write(tensors.map { ($0.name, .bool, $0.shape) }, to: file) {
      index, bytes in
      for (byte, i) in tensors[index].range.enumerated() { bytes[byte] = mask.isKept[i] ? 1 : 0 }
    }
  }
}

extension Communicator {
  /// Checks that all ranks have the same masks. Collective.
  func requireSame(_ masks: Masks) throws {
    var digest = Digest()
    masks.mask.isKept.withUnsafeBytes { digest.add($0) }
    try requireSame("the digest of the masks", digest.text)
  }
}

extension TrainingPlan {
  /// True if some weights are removed, or will be.
  var hasMasks: Bool { sparse || masks != nil || pruning != nil }

  /// Returns the masks with which the run begins or resumes; nil for a run without masks.
  ///
  /// - Parameter scalar: the scalar of the run, in which an initial weight is zero or not.
  /// - Throws: `InputError` or `PruningError` if the masks cannot be read or computed.
  func masks<Element: Scalar>(
    _ checkpoint: Checkpoint?, of scalar: Element.Type
  ) throws -> Masks? {
    guard hasMasks else { return nil }
    let file = checkpoint.map { "\($0.path)/\(Masks.fileName)" } ?? masks
    guard let file else {
      let masks = Masks(of: try (pruning?.tensors ?? TensorChoice()).tensors(of: network.layout))
      return sparse ? try zeros(masks, of: scalar) : masks
    }
    if let pruning {
      return try Masks(reading: file, of: try pruning.tensors.tensors(of: network.layout))
    }
    // Tensors without a mask in the file are kept whole.
    let names = Set(try SafetensorsFile(path: file).tensors.map(\.name))
    return try Masks(
      reading: file,
      of: network.layout.tensors.map {
        WeightTensor(
          name: $0.name, shape: $0.shape, range: $0.range, isPrunable: names.contains($0.name))
      })
  }

  /// Returns the masks of the setting `sparse`: they remove initial weights that are zero, in
  /// tensors with two or more dimensions. Biases, and scales and shifts of norms, are not pruned;
  /// many of them start at zero.
  private func zeros<Element: Scalar>(
    _ masks: Masks, of scalar: Element.Type
  ) throws -> Masks {
    guard let file = initialWeights else {
      throw InputError(
        setting: "sparse", "keeps weights that are zero at zero",
        expected: "\(setting: "weights") as well")
    }
    let weights = Buffer<Element>(count: network.layout.count)
    let state = Buffer<Element>(count: network.stateLayout.count)
    try network.readWeights(from: file, into: weights.all, state: state.all)
    var isKept = masks.mask.isKept
    for tensor in masks.tensors where tensor.isPrunable {
      for i in tensor.range { isKept[i] = weights.pointer[i] != 0 }
    }
    guard isKept.contains(false) else {
      throw InputError(
        setting: "sparse", "\(file) has no zero among the weights of two dimensions or more",
        expected: "the weights of a network that has been pruned")
    }
    var masks = masks
    masks.mask = Mask(slice: masks.mask.slice, isKept: isKept)
    return masks
  }
}
