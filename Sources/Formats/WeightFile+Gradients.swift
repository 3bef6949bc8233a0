extension WeightFile {
  /// Opens the weights for which a file has gradients.
  ///
  /// These are the tensors that the gradient file names. If it holds one array [m, d], they are all
  /// floating-point tensors if d matches their total size. Otherwise the running statistics of
  /// batch norms (`….running_mean`, `….running_var`) are left out.
  ///
  /// - Parameter isRequired: returns true for a tensor that must be among the weights. A
  ///   `GradientFile` then fails if the tensor's gradients are missing.
  /// - Throws: `InputError` naming the file and the problem.
  public init(
    path: String, withGradientsIn gradients: String, isRequired: (TensorEntry) -> Bool
  ) throws(InputError) {
    let entries = try SafetensorsFile(path: path).tensors
    if let entry = entries.first(where: { isRequired($0) && $0.dtype.isUnreadableFloatingPoint }) {
      throw InputError(
        path,
        "the weights '\(entry.name)' are of another type "
          + "(\(setting: "exclude") leaves them as they are)",
        expected: "\(TensorType.floatingPointNames)", got: "\(entry.dtype.rawValue)")
    }
    let columns: Int?
    var names: Set<String> = []
    if gradients.hasSuffix(".npy") {
      columns = try NPYFile(path: gradients).shape.last
    } else {
      let tensors = try SafetensorsFile(path: gradients).tensors
      names = Set(tensors.map(\.name))
      let isArray = tensors.count == 1 && !entries.contains { $0.name == tensors[0].name }
      columns = isArray ? tensors[0].shape.last : nil
    }
    let count = entries.filter(\.dtype.isFloatingPoint).reduce(0) { $0 + $1.count }
    try self.init(path: path) { entry in
      if let columns { return columns == count || !entry.isRunningStatistic }
      return names.contains(entry.name) || isRequired(entry)
    }
  }
}

extension TensorEntry {
  /// True for PyTorch's names of batch-norm statistics, which have no gradients.
  fileprivate var isRunningStatistic: Bool {
    name.hasSuffix(".running_mean") || name.hasSuffix(".running_var")
  }
}

extension TensorType {
  fileprivate var isUnreadableFloatingPoint: Bool {
    switch self {
    case .float8E4M3, .float8E5M2, .float8E8M0, .complex64: true
    default: false
    }
  }
}
