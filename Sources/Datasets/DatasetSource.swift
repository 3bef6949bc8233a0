import Formats

/// Identifies where a dataset comes from, in the user's notation.
public enum DatasetSource: Equatable, Sendable, CustomStringConvertible {
  /// Zalando's Fashion-MNIST as installed by Debian's package dataset-fashion-mnist.
  case fashionMNIST
  /// The UCI optical digits, embedded in the program.
  case digits
  /// The MNIST digits in `data/mnist` under the working directory.
  case mnist
  /// Four IDX files under MNIST's file names in a directory.
  case idx(directory: String)
  /// The binary version of CIFAR-10 in a directory.
  case cifar10(directory: String)
  /// A file's bytes as a text.
  case text(file: String)
  /// A file of tokens: a NumPy array or raw integers.
  case tokens(file: String)
  /// A table of numbers.
  case csv(file: String)
  /// Inputs and targets in NumPy's format: one pair to split, or a training and a test pair.
  case npy(files: [String])

  /// Groups sources that read the same settings.
  public enum Kind: Sendable {
    case images, text, tokens, table, arrays
  }

  /// Syntax of `init(_:)`, for help and messages.
  public static let usage =
    "fashion-mnist, digits, mnist, idx:DIR, cifar10:DIR, text:FILE, tokens:FILE, csv:FILE or "
    + "npy:INPUTS.npy,TARGETS.npy"

  /// Parses a source in the syntax of `usage`.
  ///
  /// - Throws: `InputError` listing the known sources.
  public init(_ text: String) throws(InputError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let place = parts.count == 2 ? String(parts[1]) : ""
    switch (String(parts[0]), place.isEmpty) {
    case ("fashion-mnist", _) where parts.count == 1: self = .fashionMNIST
    case ("digits", _) where parts.count == 1: self = .digits
    case ("mnist", _) where parts.count == 1: self = .mnist
    case ("idx", false): self = .idx(directory: place)
    case ("cifar10", false): self = .cifar10(directory: place)
    case ("text", false): self = .text(file: place)
    case ("tokens", false): self = .tokens(file: place)
    case ("csv", false): self = .csv(file: place)
    case ("npy", false):
      let files = place.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard [2, 4].contains(files.count), !files.contains("") else {
        throw InputError(
          "dataset", "npy takes two files or four",
          expected:
            "npy:INPUTS.npy,TARGETS.npy or npy:TRAIN_X.npy,TRAIN_Y.npy,TEST_X.npy,TEST_Y.npy",
          got: "'\(text)'")
      }
      self = .npy(files: files)
    default:
      throw InputError(
        "dataset", "unknown source", expected: "\(Self.likely(text) ?? Self.usage)",
        got: "'\(text)'")
    }
  }

  /// Suggests a source for a bare file name by its extension; nil if that is unknown.
  private static func likely(_ path: String) -> String? {
    let name = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
    let sources = [
      ".csv": "csv:\(path)", ".tsv": "csv:\(path)", ".txt": "text:\(path)",
      ".npy": "npy:\(path),TARGETS.npy, or tokens:\(path)", ".bin": "tokens:\(path)",
    ]
    return sources.first { name.hasSuffix($0.key) }?.value
  }

  public var description: String {
    switch self {
    case .fashionMNIST: "fashion-mnist"
    case .digits: "digits"
    case .mnist: "mnist"
    case .idx(let directory): "idx:\(directory)"
    case .cifar10(let directory): "cifar10:\(directory)"
    case .text(let file): "text:\(file)"
    case .tokens(let file): "tokens:\(file)"
    case .csv(let file): "csv:\(file)"
    case .npy(let files): "npy:\(files.joined(separator: ","))"
    }
  }

  /// The group of settings that the source reads.
  public var kind: Kind {
    switch self {
    case .fashionMNIST, .digits, .mnist, .idx, .cifar10: .images
    case .text: .text
    case .tokens: .tokens
    case .csv: .table
    case .npy: .arrays
    }
  }

  /// True if the source names no test part, so `Split` holds one out.
  public var isSplit: Bool {
    switch self {
    case .text, .tokens, .csv: true
    case .npy(let files): files.count == 2
    default: false
    }
  }

  /// Largest value of a pixel; dividing by it maps pixels to [0, 1].
  public var pixelMaximum: Int { self == .digits ? 16 : 255 }

  /// Mean and standard deviation of the training part's pixels after division by `pixelMaximum`:
  /// one number per channel, or one for all. Sources that are not customarily standardised have 0
  /// and 1.
  public var standardization: (mean: [Double], std: [Double]) {
    switch self {
    case .fashionMNIST: ([0.2860], [0.3530])
    case .mnist: ([0.1307], [0.3081])
    case .cifar10: ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])
    default: ([0], [1])
    }
  }

  /// Reads and checks all files.
  ///
  /// - Throws: `InputError` naming the file or setting at fault, and how to get missing data.
  public func load(_ options: DatasetOptions = DatasetOptions()) throws(InputError) -> Dataset {
    let (images, sequences) = (options.images, options.sequences)
    func transform() throws(InputError) -> InputTransform {
      if let transform = images.transform { return transform }
      let (mean, std) = standardization
      return try InputTransform(
        scale: 1 / Double(pixelMaximum), mean: mean, std: std, precision: options.precision)
    }
    switch self {
    case .digits:
      return try Dataset.digits(
        name: description, transform: try transform(), augmentation: images.augmentation)
    case .fashionMNIST:
      return try Dataset(
        name: description, idx: "/usr/share/datasets/fashion-mnist",
        transform: try transform(), augmentation: images.augmentation,
        remedy: "apt-get install dataset-fashion-mnist")
    case .mnist:
      return try Dataset(
        name: description, idx: "data/mnist", transform: try transform(),
        augmentation: images.augmentation, remedy: "make data-mnist")
    case .idx(let directory):
      return try Dataset(
        name: description, idx: directory, transform: try transform(),
        augmentation: images.augmentation)
    case .cifar10(let directory):
      return try Dataset(
        name: description, cifar10: directory, transform: try transform(),
        augmentation: images.augmentation)
    case .text(let file):
      return try Dataset(
        name: description, text: file, contextLength: sequences.contextLength,
        testFraction: options.split.testFraction)
    case .tokens(let file):
      guard let vocabulary = sequences.vocabulary else {
        throw InputError(
          "vocabulary", "is required for tokens", expected: "a number above every token")
      }
      return try Dataset(
        name: description, tokens: file, type: sequences.tokenType, vocabulary: vocabulary,
        contextLength: sequences.contextLength, testFraction: options.split.testFraction)
    case .csv(let file):
      return try Dataset(
        name: description, csv: file, options: options.table, split: options.split,
        precision: options.precision)
    case .npy(let files):
      return try Dataset(
        name: description, npy: files, split: options.split, precision: options.precision)
    }
  }
}
