import LinearAlgebra

/// What the user may choose about a dataset beside its source; each kind of source reads its own.
public struct DatasetOptions: Sendable, Equatable {
  /// Of images.
  public var images = ImageOptions()
  /// Of texts and tokens.
  public var sequences = SequenceOptions()
  /// Of tables.
  public var table = TableOptions()
  /// Where the source names no test part.
  public var split = Split()
  /// The precision in which tables and arrays are kept, and in which all inputs must be finite.
  public var precision = Precision.float32

  /// The defaults of each kind.
  public init() {}
}

/// How images become inputs of a network.
public struct ImageOptions: Sendable, Equatable {
  /// That of the source where it is nil.
  public var transform: InputTransform?
  /// Of training images.
  public var augmentation: ImageAugmentation?

  /// Without either, images are scaled by their source's own numbers, and not augmented.
  public init(transform: InputTransform? = nil, augmentation: ImageAugmentation? = nil) {
    self.transform = transform
    self.augmentation = augmentation
  }
}

/// How a long text is cut into examples.
public struct SequenceOptions: Sendable, Equatable {
  /// Tokens become numbers of single precision, which is exact below it.
  public static let largestVocabulary = 1 << 24

  /// Tokens in a sequence.
  public var contextLength = 64
  /// Tokens are below it; asked for where the source does not say.
  public var vocabulary: Int?
  /// How a file stores a token; nil for what an NPY file says, else 16 bits.
  public var tokenType: TokenType?

  /// - Parameters:
  ///   - contextLength: S, tokens in a sequence.
  ///   - vocabulary: tokens are below it.
  ///   - tokenType: how a file stores a token; nil for what an NPY file says, else 16 bits.
  public init(contextLength: Int = 64, vocabulary: Int? = nil, tokenType: TokenType? = nil) {
    self.contextLength = contextLength
    self.vocabulary = vocabulary
    self.tokenType = tokenType
  }
}

/// What is to be learned from a table.
public struct TableOptions: Sendable, Equatable {
  /// What a target is.
  public enum Task: String, CaseIterable, Sendable {
    /// The target column's numbers.
    case regression
    /// The target column's distinct values, which are the classes.
    case classification
  }

  /// What the target column holds: numbers, or classes.
  public var task = Task.regression
  /// A column's name, or its number from 1; the last column where it is nil.
  public var target: String?
  /// Another file of the same columns to test on, instead of a split.
  public var testFile: String?
  /// Whether the first line names the columns; nil where its cells decide.
  public var header: Bool?

  /// - Parameters:
  ///   - target: a column's name, or its number from 1; nil for the last one.
  ///   - testFile: another file of the same columns; nil for a split.
  ///   - header: whether the first line names the columns; nil where its cells decide.
  public init(
    task: Task = .regression, target: String? = nil, testFile: String? = nil, header: Bool? = nil
  ) {
    self.task = task
    self.target = target
    self.testFile = testFile
    self.header = header
  }
}
