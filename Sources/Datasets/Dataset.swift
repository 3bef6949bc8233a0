import Formats

/// Holds the examples for training and test, and checks that they match.
public struct Dataset: Sendable, CustomStringConvertible {
  /// The source as the user named it.
  public let name: String
  /// Examples that gradients are computed on.
  public let training: any Examples
  /// Examples that loss and accuracy are reported for.
  public let test: any Examples
  /// Plural noun for the examples: "images", "sequences", "rows", …
  public let noun: String
  /// Text after the noun in `description`, with its leading comma: shape, classes, units.
  public let details: String
  /// Columns of a table; nil for all other data.
  public let columns: TableColumns?

  /// Shape of one input in both parts.
  public var inputShape: [Int] { training.inputShape }
  /// Kind of target in both parts.
  public var targets: TargetKind { training.targets }
  /// Bytes that both parts hold in memory.
  public var byteCount: Int { training.byteCount + test.byteCount }

  /// Factor that converts an error of standardised targets to the target column's units; 1 if
  /// targets are not standardised.
  public var targetStd: Double { columns?.target.std ?? 1 }

  public var description: String {
    "\(name): \(training.count) training and \(test.count) test \(noun)\(details)"
  }

  /// Joins two parts of the same shape and targets.
  ///
  /// - Throws: `InputError` when a part is empty, the parts' shapes or targets differ, or there are
  ///   fewer than 2 classes.
  public init(
    name: String, training: any Examples, test: any Examples, noun: String = "examples",
    details: String, columns: TableColumns? = nil
  ) throws(InputError) {
    for (part, examples) in [("training", training), ("test", test)] where examples.count == 0 {
      throw InputError(examples.source, "there are no \(part) \(noun)")
    }
    guard training.inputShape == test.inputShape else {
      throw InputError(
        test.source, "the shape of its \(noun) differs from \(training.source)",
        expected: "\(training.inputShape)", got: "\(test.inputShape)")
    }
    guard training.targets == test.targets else {
      throw InputError(
        test.source, "its targets differ from \(training.source)",
        expected: "\(training.targets)", got: "\(test.targets)")
    }
    if case .classes(let count, _) = training.targets, count < 2 {
      throw InputError(training.source, "there is only one class: at least 2 are needed")
    }
    self.name = name
    self.training = training
    self.test = test
    self.noun = noun
    self.details = details
    self.columns = columns
  }
}

extension Dataset {
  /// Shape [channels, height, width] of images stored as [height, width, channels]; nil if the
  /// shape does not look like that.
  package var channelsFirst: [Int]? {
    let shape = inputShape
    guard shape.count == 3, shape[2] <= 4, shape[0] > 4, shape[1] > 4 else { return nil }
    return [shape[2], shape[0], shape[1]]
  }

  /// Returns the error for a network that takes such images with channels first.
  package func channelsLastRefusal(of model: String) -> InputError {
    InputError(
      training.source, "its \(noun) have their channels last, \(model) takes them first",
      expected: "shape \(channelsFirst!): array.transpose(0, 3, 1, 2)", got: "\(inputShape)")
  }
}
