import ArgumentParser
import Datasets
import LinearAlgebra
import Networks

/// The options that select a data set and prepare its examples.
package struct DataSettings: ParsableArguments {
  package enum Augmentation: String, CaseIterable, ExpressibleByArgument { case none, standard }

  @Option(
    help: .init(
      """
      Data set: fashion-mnist, digits, mnist, idx:DIR (four IDX files), cifar10:DIR (binary \
      version), text:FILE (bytes of a text), tokens:FILE (a NumPy array or raw tokens), csv:FILE, \
      npy:X.npy,Y.npy, or npy:X.npy,Y.npy,TEST_X.npy,TEST_Y.npy.
      """, valueName: "data"))
  package var dataset = "fashion-mnist"

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Multiply pixels by this number or fraction: x = (scale·pixel − mean)/std. (images; default: \
      1/16 for digits, else 1/255)
      """, valueName: "scale"))
  package var inputScale: Fraction?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Subtract this mean from scaled pixels: one number, or one per channel (0.49,0.48,0.45). \
      (images; default: the data set's published mean, else 0)
      """, valueName: "mean"))
  package var inputMean: NumberList?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Divide by this standard deviation: one number, or one per channel. (images; default: the \
      data set's published value, else 1)
      """, valueName: "std"))
  package var inputStd: NumberList?

  @Option(
    help:
      "Augment training images: standard crops and flips them at random. (images; default: none)")
  package var augment: Augmentation?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Pad images by this many zero pixels on each side before a random crop. (images; default: 4 \
      with --augment standard, else 0)
      """, valueName: "pixels"))
  package var cropPadding: Int?

  @Flag(
    inversion: .prefixedNo,
    help: .advanced(
      """
      Flip each training image horizontally with probability 1/2. (images; default: with --augment \
      standard)
      """))
  package var flip: Bool?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Length of a training sequence in tokens. (text, tokens; default: 64)", valueName: "tokens"))
  package var contextLength: Int?

  @Option(
    parsing: .unconditional,
    help: .advanced("Number of different tokens. (tokens)", valueName: "count"))
  package var vocabulary: Int?

  @Option(
    help: .advanced(
      """
      Integer type of the tokens in a raw file, little-endian. (tokens; default: the NumPy array's \
      type, else uint16)
      """, valueName: "type"))
  package var tokenType: TokenType?

  @Option(help: "Task on a table. (csv; default: regression)")
  package var task: TableOptions.Task?

  @Option(
    help: .init(
      "Target column of a table: its name, or its number from 1. (csv; default: the last)",
      valueName: "column"))
  package var target: String?

  @Option(
    help: .advanced(
      "Whether the first line of a table names its columns: yes or no. (csv; default: detected)"))
  package var header: Answer?

  @Option(
    help: .advanced(
      """
      Test on the rows of this file, which has the same columns, instead of a fraction of the \
      table. (csv)
      """, valueName: "file"), completion: .file())
  package var testCsv: String?

  @Option(
    parsing: .unconditional,
    help: .init(
      """
      Fraction of the examples held out for testing. (text, tokens, csv, npy of two files; \
      default: 0.1)
      """, valueName: "x"))
  package var testFraction: Double?

  package init() {}

  package func validate() throws {
    _ = try source
    if let inputScale {
      try require(inputScale.value <= 1, "--input-scale", "at most 1, such as 1/255", inputScale)
    }
    if let cropPadding {
      try require("--crop-padding", in: 0...1000, cropPadding)
    }
    if let contextLength {
      try require("--context-length", in: 1...1_000_000, contextLength)
    }
    if let vocabulary {
      try require("--vocabulary", in: 2...SequenceOptions.largestVocabulary, vocabulary)
    }
    if let testFraction {
      try require(
        testFraction > 0 && testFraction < 1, "--test-fraction", "in (0, 1)", testFraction)
    }
  }

  /// Refuses settings that do not apply to the kind of data, and fills in the defaults of the
  /// others.
  ///
  /// - Throws: `ValidationError` naming the setting.
  package mutating func resolve() throws {
    let source = try source
    let (images, texts) = (source.kind == .images, [.text, .tokens].contains(source.kind))
    try refuse(
      unless: images, "images",
      [
        ("--input-scale", inputScale), ("--input-mean", inputMean), ("--input-std", inputStd),
        ("--augment", augment), ("--crop-padding", cropPadding), ("--flip", flip),
      ])
    try refuse(unless: texts, "text and tokens", [("--context-length", contextLength)])
    try refuse(
      unless: source.kind == .tokens, "tokens",
      [("--vocabulary", vocabulary), ("--token-type", tokenType)])
    try refuse(
      unless: source.kind == .table, "csv",
      [("--task", task), ("--target", target), ("--header", header), ("--test-csv", testCsv)])
    try refuse(
      unless: source.isSplit, "text, tokens, csv and npy of two files",
      [("--test-fraction", testFraction)])
    if let testFraction {
      try require(testCsv == nil, "--test-fraction", "no --test-csv with it", testFraction)
    }
    if images {
      inputScale = inputScale ?? Fraction(argument: "1/\(source.pixelMaximum)")
      inputMean = inputMean ?? NumberList(source.standardization.mean)
      inputStd = inputStd ?? NumberList(source.standardization.std)
      augment = augment ?? Augmentation.none
      cropPadding = cropPadding ?? (augment == .standard ? 4 : 0)
      flip = flip ?? (augment == .standard)
      _ = try checked { try imageOptions(seed: 0) }
    }
    if texts { contextLength = contextLength ?? 64 }
    if source.kind == .tokens {
      try require(vocabulary != nil, "--vocabulary", "the number of different tokens", "none")
    }
    if source.kind == .table { task = task ?? .regression }
    if source.isSplit, testCsv == nil { testFraction = testFraction ?? 0.1 }
  }

  private func refuse(
    unless applies: Bool, _ data: String, _ settings: [(flag: String, value: Any?)]
  ) throws {
    guard !applies, let refused = settings.first(where: { $0.value != nil }) else { return }
    throw ValidationError("\(refused.flag) applies to \(data) only (the data set is \(dataset))")
  }

  package var source: DatasetSource {
    get throws { try checked { try DatasetSource(dataset) } }
  }

  /// Returns the options with which to load the data set; call `resolve` first.
  ///
  /// - Parameters:
  ///   - seed: seed of the augmentation and the split.
  ///   - precision: precision of the network's inputs.
  package func options(
    seed: UInt64, precision: Precision = .float32
  ) throws -> DatasetOptions {
    var options = DatasetOptions()
    options.precision = precision
    if try source.kind == .images { options.images = try imageOptions(seed: seed) }
    options.sequences = SequenceOptions(
      contextLength: contextLength ?? 64, vocabulary: vocabulary, tokenType: tokenType)
    options.table = TableOptions(
      task: task ?? .regression, target: target, testFile: testCsv,
      header: header.map { $0 == .yes })
    options.split = Split(testFraction: testFraction ?? 0.1, seed: seed)
    return options
  }

  private func imageOptions(seed: UInt64) throws -> ImageOptions {
    let transform = try InputTransform(
      scale: inputScale!.value, mean: inputMean!.values, std: inputStd!.values)
    let augmentation = try ImageAugmentation(cropPadding: cropPadding!, flip: flip!, seed: seed)
    let isNone = cropPadding == 0 && flip == false
    return ImageOptions(transform: transform, augmentation: isNone ? nil : augmentation)
  }
}

/// A number, or a quotient such as 1/255.
package struct Fraction: ExpressibleByArgument, CustomStringConvertible {
  package let value: Double
  package let description: String

  package init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Double($0) }
    switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
    case (1, let number?, _): value = number
    case (2, let numerator?, let denominator?): value = numerator / denominator
    default: return nil
    }
    guard value > 0, value.isFinite else { return nil }
    description = argument
  }
}

/// Numbers separated by commas, such as 0.49,0.48,0.45.
package struct NumberList: ExpressibleByArgument, CustomStringConvertible {
  package let values: [Double]
  package var description: String { values.map { "\($0)" }.joined(separator: ",") }

  package init(_ values: [Double]) { self.values = values }

  package init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = parts.compactMap { Double($0) }
    guard values.count == parts.count else { return nil }
  }
}

extension TableOptions.Task: ExpressibleByArgument {}
extension TokenType: ExpressibleByArgument {}

/// An answer, yes or no; YAML's other words for them, such as true and off, are accepted too.
package enum Answer: String, CaseIterable, ExpressibleByArgument {
  case yes, no

  package init?(argument: String) {
    guard let answer = Bool(yaml: argument) else { return nil }
    self = answer ? .yes : .no
  }
}
