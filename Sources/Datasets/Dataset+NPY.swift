import Formats
import LinearAlgebra

extension Dataset {
  /// Upper bound of the class count: more outputs than any network here has.
  private static let largestClassCount = 1 << 24

  /// Reads NumPy arrays: inputs and targets, split by `split`; or the two files of the training
  /// part, then the two of the test part.
  ///
  /// The first dimension counts examples. Inputs are used unchanged: neither scaled nor
  /// standardised. Integer targets [n] or [n, positions] are classes from 0 to the largest class of
  /// the training part (of the whole file if it is split). Float targets [n] or [n, k] are k
  /// values.
  ///
  /// - Parameters:
  ///   - files: two or four paths.
  ///   - precision: precision in which numbers are stored.
  /// - Throws: `InputError` naming the file and, if known, the element at fault.
  package init(
    name: String, npy files: [String], split: Split, precision: Precision = .float32
  ) throws(InputError) {
    precondition(files.count == 2 || files.count == 4, "\(files.count) files")
    let trainingArrays = try Arrays(
      inputs: files[0], targets: files[1], precision: precision)
    let targets = try trainingArrays.readTargets(classesBelow: nil)
    let inputs = try trainingArrays.readInputs()
    let (training, test): (ArrayExamples, ArrayExamples)
    if files.count == 2 {
      let rows = try split.rows(of: trainingArrays.count, source: files[0])
      training = trainingArrays.examples(inputs, targets, rows: rows.training)
      test = trainingArrays.examples(inputs, targets, rows: rows.test)
    } else {
      let testArrays = try Arrays(
        inputs: files[2], targets: files[3], precision: precision)
      guard testArrays.targets.type.isInteger == trainingArrays.targets.type.isInteger,
        testArrays.targets.exampleShape == trainingArrays.targets.exampleShape
      else {
        throw InputError(
          files[3], "the kind of its targets differs from \(files[1])",
          expected: "\(trainingArrays.targetKind)", got: "\(testArrays.targetKind)")
      }
      var classCount: Int?
      if case .classes(_, let count, _) = targets { classCount = count }
      let testTargets = try testArrays.readTargets(classesBelow: classCount)
      training = trainingArrays.examples(
        inputs, targets, rows: Array(0..<trainingArrays.count))
      test = testArrays.examples(
        try testArrays.readInputs(), testTargets, rows: Array(0..<testArrays.count))
    }
    let shape = training.inputShape.map(String.init).joined(separator: "×")
    try self.init(
      name: name, training: training, test: test, details: " of shape \(shape), \(training.targets)"
    )
  }

  /// Opens and checks the two files of a part.
  private struct Arrays {
    let inputs: NPYFile
    let targets: NPYFile
    private let precision: Precision
    var count: Int { inputs.shape[0] }

    init(inputs: String, targets: String, precision: Precision) throws(InputError) {
      self.precision = precision
      self.inputs = try NPYFile(path: inputs)
      self.targets = try NPYFile(path: targets)
      for file in [self.inputs, self.targets] where file.count == 0 {
        throw InputError(file.path, "holds nothing: its shape is \(file.shape)")
      }
      guard self.inputs.shape[0] == self.targets.shape[0] else {
        throw InputError(
          inputs,
          "holds \(self.inputs.shape[0]) examples, \(targets) holds \(self.targets.shape[0])")
      }
      guard self.targets.shape.count <= 2 else {
        throw InputError(
          targets, "targets have too many dimensions", expected: "[examples] or [examples, count]",
          got: "shape \(self.targets.shape)")
      }
    }

    /// Type and shape of the targets, for messages.
    var targetKind: String {
      "\(targets.type.isInteger ? "integers" : "floats") of shape \(targets.exampleShape) each"
    }

    func readInputs() throws(InputError) -> ArrayExamples.Numbers {
      inputs.type == .uint8 ? .bytes(try inputs.bytes()) : try numbers(of: inputs)
    }

    private func numbers(of file: NPYFile) throws(InputError) -> ArrayExamples.Numbers {
      switch precision {
      case .float32: .floats(try file.values())
      case .float64: .doubles(try file.values())
      }
    }

    /// Reads classes from integers, values from floats.
    ///
    /// - Parameter classCount: the training part's class count; nil to count the classes of this
    ///   file.
    func readTargets(
      classesBelow classCount: Int?
    ) throws(InputError) -> ArrayExamples.Targets {
      let width = targets.exampleShape.first ?? 1
      guard targets.type.isInteger else {
        return .values(try numbers(of: targets), count: width)
      }
      let classes = try targets.classes(below: classCount ?? Dataset.largestClassCount)
      let count = classCount ?? 1 + Int(classes.max() ?? 0)
      guard count >= 2 else {
        throw InputError(
          targets.path, "every class is 0: at least 2 classes are needed")
      }
      return .classes(classes, count: count, positions: width)
    }

    func examples(
      _ read: ArrayExamples.Numbers, _ targets: ArrayExamples.Targets, rows: [Int]
    ) -> ArrayExamples {
      // A scalar example becomes a list of one number.
      let shape = inputs.exampleShape.isEmpty ? [1] : inputs.exampleShape
      return ArrayExamples(
        inputShape: shape, inputs: read, targets: targets, rows: rows, source: inputs.path)
    }
  }
}
