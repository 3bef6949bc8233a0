import Formats
import LinearAlgebra
import MPI

/// A sparse file has the safetensors format and stores kept weights in compressed rows. A prunable
/// tensor is a matrix [rows, columns]: rows is its first dimension, columns the product of the
/// others. A tensor of one dimension is [1, n]. Four tensors represent it:
///
///     NAME.values [k]           F32 or F64, the kept weights, row by row
///     NAME.columns [k]          the column of each
///     NAME.offsets [rows + 1]   each row's first index in them, and at the end k
///     NAME.shape                I64, the tensor's shape
///
/// Columns and offsets have the smallest of U8, U16, U32 and U64 that holds them. All other tensors
/// are stored unchanged. With PyTorch, for each name:
///
///     t = safetensors.torch.load_file("sparse.safetensors")
///     shape, offsets = t[name + ".shape"].tolist(), t[name + ".offsets"].long()
///     size = (len(offsets) - 1, math.prod(shape) // (len(offsets) - 1))
///     columns, values = t[name + ".columns"].long(), t[name + ".values"]
///     matrix = torch.sparse_csr_tensor(offsets, columns, values, size)
///
/// and `matrix.to_dense().reshape(shape)` is the tensor.
extension Mask {
  /// Writes the kept weights of all ranks in compressed rows; the file appears when it is complete.
  /// Collective.
  ///
  /// - Parameters:
  ///   - tensors: all tensors of the vector [d], in its order.
  ///   - weights: shape [d], the same on all ranks; zero for removed weights.
  ///   - others: tensors that are not weights.
  ///   - slices: every rank's.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func writeSparse<Element: Scalar>(
    of tensors: [WeightTensor], weights: UnsafeBufferPointer<Element>,
    others: [TensorContent], slices: [Range<Int>], to path: String,
    on world: Communicator
  ) throws {
    let pruned = tensors.filter(\.isPrunable)
    let masks = try gathered(of: pruned, slices: slices, on: world)
    try world.agree {
      guard world.rank == 0 else { return }
      var parts = tensors.filter { !$0.isPrunable }.map { tensor in
        TensorContent(
          name: tensor.name, shape: tensor.shape,
          values: UnsafeBufferPointer(rebasing: weights[tensor.range]))
      }
      parts += others
      for (tensor, mask) in zip(pruned, masks) {
        parts += TensorContent.compressed(
          tensor, mask, UnsafeBufferPointer(rebasing: weights[tensor.range]))
      }
      // Wide elements come first: each then lies at a multiple of its size, as zero-copy readers
      // need.
      let order = parts.indices.sorted {
        (parts[$1].type.byteCount, $0) < (parts[$0].type.byteCount, $1)
      }
      parts = order.map { parts[$0] }
      try AtomicFile.write(to: path) { file throws(InputError) in
        try SafetensorsFile.write(parts.map { ($0.name, $0.type, $0.shape) }, to: file) {
          index, memory throws(InputError) in try parts[index].fill(memory)
        }
      }
    }
  }

  /// Checks that the names in the sparse file are distinct.
  ///
  /// - Throws: `PruningError` naming a duplicate.
  public static func checkSparseNames(
    of tensors: [WeightTensor], others: [String]
  ) throws(PruningError) {
    var names: Set<String> = []
    for name in tensors.flatMap({ $0.isPrunable ? TensorContent.names(of: $0) : [$0.name] })
      + others
    where !names.insert(name).inserted {
      throw PruningError(
        "\(setting: "sparse-output"): there would be two tensors '\(name)': expected weights "
          + "without one of that name, or the tensor that it is a part of excluded")
    }
  }
}

extension TensorContent {
  fileprivate static func names(of tensor: WeightTensor) -> [String] {
    ["values", "columns", "offsets", "shape"].map { "\(tensor.name).\($0)" }
  }

  /// Returns the four tensors that represent a pruned tensor.
  ///
  /// - Parameters:
  ///   - mask: 1 for each kept weight.
  ///   - weights: all weights of the tensor.
  fileprivate static func compressed<Element: Scalar>(
    _ tensor: WeightTensor, _ mask: [UInt8], _ weights: UnsafeBufferPointer<Element>
  ) -> [TensorContent] {
    let rows = tensor.shape.count > 1 ? tensor.shape[0] : 1
    let columns = rows > 0 ? mask.count / rows : 0
    var offsets = [0]
    for row in 0..<rows {
      let kept = mask[row * columns..<(row + 1) * columns].count { $0 == 1 }
      offsets.append(offsets[row] + kept)
    }
    let count = offsets[rows]
    let names = names(of: tensor)
    return [
      TensorContent(name: names[0], type: TensorType(Element.self), shape: [count]) { memory in
        let values = memory.assumingMemoryBound(to: Element.self)
        var next = 0
        for (weight, isKept) in zip(weights, mask) where isKept == 1 {
          values[next] = weight
          next += 1
        }
      },
      integers(names[1], count: count, upTo: columns - 1) {
        mask.indices.lazy.filter { mask[$0] == 1 }.map { $0 % columns }
      },
      integers(names[2], count: offsets.count, upTo: count) { offsets },
      TensorContent(name: names[3], type: .int64, shape: [tensor.shape.count]) {
        $0.copyBytes(from: tensor.shape.flatMap { withUnsafeBytes(of: Int64($0), Array.init) })
      },
    ]
  }

  /// Stores integers in the smallest type that holds the largest of them.
  private static func integers<Numbers: Sequence<Int>>(
    _ name: String, count: Int, upTo largest: Int, _ numbers: @escaping () -> Numbers
  ) -> TensorContent {
    func part<Number: FixedWidthInteger>(_ type: TensorType, _: Number.Type) -> TensorContent {
      TensorContent(name: name, type: type, shape: [count]) { memory in
        for (index, number) in numbers().enumerated() {
          memory.storeBytes(
            of: Number(number).littleEndian, toByteOffset: index * type.byteCount, as: Number.self)
        }
      }
    }
    return switch largest {
    case ..<(1 << 8): part(.uint8, UInt8.self)
    case ..<(1 << 16): part(.uint16, UInt16.self)
    case ..<(1 << 32): part(.uint32, UInt32.self)
    default: part(.uint64, UInt64.self)
    }
  }
}
