import LinearAlgebra

/// Holds the settings of a dataset other than its source; each kind of source reads its own.
public struct DatasetOptions: Sendable, Equatable {
  public var images = ImageOptions()
  /// Options for texts and token files.
  public var sequences = SequenceOptions()
  public var table = TableOptions()
  /// Applies if the source names no test part.
  public var split = Split()
  /// Precision in which tables and arrays are stored, and in which all inputs must be finite.
  public var precision = Precision.float32

  /// Creates options with their defaults.
  public init() {}
}

/// Describes how images become network inputs.
public struct ImageOptions: Sendable, Equatable {
  /// The source's own transform if nil.
  public var transform: InputTransform?
  /// Augmentation of training images; nil for none.
  public var augmentation: ImageAugmentation?

  /// Creates options; the defaults are the source's own scaling and no augmentation.
  public init(transform: InputTransform? = nil, augmentation: ImageAugmentation? = nil) {
    self.transform = transform
    self.augmentation = augmentation
  }
}

/// Describes how a long text is cut into examples.
public struct SequenceOptions: Sendable, Equatable {
  /// Tokens become single-precision numbers, which are exact below this.
  public static let largestVocabulary = 1 << 24

  /// Tokens in a sequence.
  public var contextLength = 64
  /// Exclusive upper bound of the tokens; required if the source does not define it.
  public var vocabulary: Int?
  /// Token type in the file; nil uses the type in an NPY file's header, otherwise 16 bits.
  public var tokenType: TokenType?

  /// Creates options for sequences.
  ///
  /// - Parameters:
  ///   - contextLength: S, tokens in a sequence.
  ///   - vocabulary: exclusive upper bound of the tokens.
  ///   - tokenType: token type in the file; nil uses the type in an NPY file's header, otherwise 16
  ///     bits.
  public init(contextLength: Int = 64, vocabulary: Int? = nil, tokenType: TokenType? = nil) {
    self.contextLength = contextLength
    self.vocabulary = vocabulary
    self.tokenType = tokenType
  }
}

/// Describes the learning task of a table.
public struct TableOptions: Sendable, Equatable {
  /// Selects the meaning of the target column.
  public enum Task: String, CaseIterable, Sendable {
    /// The target column's numbers.
    case regression
    /// The target column's distinct values, which are the classes.
    case classification
  }

  public var task = Task.regression
  /// A column's name, or its number from 1; nil for the last column.
  public var target: String?
  /// Test file with the same columns; nil splits the table.
  public var testFile: String?
  /// True if the first line names the columns; nil decides by its cells.
  public var header: Bool?

  /// Creates options for tables.
  ///
  /// - Parameters:
  ///   - target: a column's name, or its number from 1; nil for the last column.
  ///   - testFile: test file with the same columns; nil splits the table.
  ///   - header: true if the first line names the columns; nil decides by its cells.
  public init(
    task: Task = .regression, target: String? = nil, testFile: String? = nil, header: Bool? = nil
  ) {
    self.task = task
    self.target = target
    self.testFile = testFile
    self.header = header
  }
}
