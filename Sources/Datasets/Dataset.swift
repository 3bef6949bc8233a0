import Formats

/// Examples for training and test, checked against one another.
public struct Dataset: Sendable, CustomStringConvertible {
  /// As the user asked for it.
  public let name: String
  /// Gradients are of these.
  public let training: any Examples
  /// Loss and accuracy are told of these.
  public let test: any Examples
  /// What the examples are, in the plural: "images", "sequences", "rows", …
  public let noun: String
  /// What people are told behind the noun, with its comma: shape, classes, units.
  public let details: String
  /// What the columns of a table mean; nil for all other data.
  public let columns: TableColumns?

  /// Shape of one input in either part.
  public var inputShape: [Int] { training.inputShape }
  /// What is asked of an example in either part.
  public var targets: TargetKind { training.targets }
  /// Bytes that both parts hold in memory.
  public var byteCount: Int { training.byteCount + test.byteCount }

  /// The factor that turns an error of standardised targets back into the target column's units; 1
  /// where targets are not standardised.
  public var targetStd: Double { columns?.target.std ?? 1 }

  /// One line about the data, for people.
  public var description: String {
    "\(name): \(training.count) training and \(test.count) test \(noun)\(details)"
  }

  /// - Throws: `InputError` when a part is empty, the parts' shapes or targets differ, or there
  ///   are fewer than 2 classes.
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
      throw InputError(training.source, "there is but one class: at least 2 are needed")
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
  /// The shape [channels, height, width] of images that are stored as [height, width, channels];
  /// nil where they do not look like such.
  package var channelsFirst: [Int]? {
    let shape = inputShape
    guard shape.count == 3, shape[2] <= 4, shape[0] > 4, shape[1] > 4 else { return nil }
    return [shape[2], shape[0], shape[1]]
  }

  /// The refusal of such images by a network.
  package func channelsLastRefusal(of model: String) -> InputError {
    InputError(
      training.source, "its \(noun) have their channels last, \(model) takes them first",
      expected: "shape \(channelsFirst!): array.transpose(0, 3, 1, 2)", got: "\(inputShape)")
  }
}
