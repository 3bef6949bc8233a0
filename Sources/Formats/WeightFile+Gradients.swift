extension WeightFile {
  /// The weights of which a file has gradients: the tensors that it names; or, where it holds one
  /// array, all, or, where its columns are not as many, all but the running statistics of
  /// batch-norms (`….running_mean`, `….running_var`).
  ///
  /// - Parameter isRequired: whether a tensor is among the weights in any case, so that a
  ///   `GradientFile` of them refuses to go without its gradients.
  /// - Throws: `InputError` naming the file and what is wrong with it.
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
  /// As PyTorch's batch-norms name what they predict by, which no gradient is of.
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
