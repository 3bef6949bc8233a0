/// Labelled images for training and test, checked against one another.
public struct ImageDataset: Sendable {
  public let name: String
  public let training: LabelledImages
  public let test: LabelledImages
  /// 1 + the largest label in the training part.
  public let classCount: Int

  /// Shape of one image in either part, [height, width].
  public var imageShape: [Int] { training.imageShape }

  /// - Throws: `DatasetError` when the parts' image shapes differ, the training part has but one
  ///   class, or a test label is none of its classes.
  public init(
    name: String, training: LabelledImages, test: LabelledImages
  ) throws(DatasetError) {
    guard training.imageShape == test.imageShape else {
      throw DatasetError(
        test.imageFile, "image shape differs from \(training.imageFile)",
        expected: "\(training.imageShape)", got: "\(test.imageShape)")
    }
    let classCount = 1 + Int(training.labels.max() ?? 0)
    guard classCount >= 2 else {
      throw DatasetError(training.labelFile, "every label is 0: at least 2 classes are needed")
    }
    if let example = test.labels.firstIndex(where: { $0 >= classCount }) {
      throw DatasetError(
        test.labelFile, "label of example \(example) is none of the training part's classes",
        expected: "0 to \(classCount - 1)", got: "\(test.labels[example])")
    }
    self.name = name
    self.training = training
    self.test = test
    self.classCount = classCount
  }
}
