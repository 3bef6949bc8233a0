/// Where a dataset comes from, as the user names it.
public enum DatasetSource: Equatable, Sendable, CustomStringConvertible {
  /// Zalando's Fashion-MNIST as Debian's package dataset-fashion-mnist installs it.
  case fashionMNIST
  /// The UCI optical digits that are part of the program.
  case digits
  /// The MNIST digits in `data/mnist` under the working directory.
  case mnist
  /// Four IDX files under their usual names in a directory.
  case idx(directory: String)

  /// What `init(_:)` takes, for help and messages.
  public static let usage = "fashion-mnist, digits, mnist or idx:DIR"

  /// - Throws: `DatasetError` listing the known names.
  public init(_ text: String) throws(DatasetError) {
    switch text {
    case "fashion-mnist": self = .fashionMNIST
    case "digits": self = .digits
    case "mnist": self = .mnist
    case _ where text.hasPrefix("idx:") && text.utf8.count > 4:
      self = .idx(directory: String(text.dropFirst(4)))
    default:
      throw DatasetError("dataset", "unknown source", expected: Self.usage, got: "'\(text)'")
    }
  }

  public var description: String {
    switch self {
    case .fashionMNIST: "fashion-mnist"
    case .digits: "digits"
    case .mnist: "mnist"
    case .idx(let directory): "idx:\(directory)"
    }
  }

  /// The largest value of a pixel; divided by it, pixels lie in [0, 1].
  public var pixelMaximum: Int { self == .digits ? 16 : 255 }

  /// Mean and standard deviation of the training part's pixels divided by `pixelMaximum`, where they
  /// are customarily standardised; else 0 and 1.
  public var standardization: (mean: Double, std: Double) {
    switch self {
    case .fashionMNIST: (0.2860, 0.3530)
    case .mnist: (0.1307, 0.3081)
    case .digits, .idx: (0, 1)
    }
  }

  /// Reads and checks all four files.
  ///
  /// - Throws: `DatasetError` naming the file at fault, and how to get data that are missing.
  public func load() throws(DatasetError) -> ImageDataset {
    switch self {
    case .digits: try ImageDataset.digits(name: description)
    case .fashionMNIST:
      try ImageDataset(
        name: description, directory: "/usr/share/datasets/fashion-mnist",
        remedy: "apt-get install dataset-fashion-mnist")
    case .mnist:
      try ImageDataset(name: description, directory: "data/mnist", remedy: "make data-mnist")
    case .idx(let directory): try ImageDataset(name: description, directory: directory)
    }
  }
}
