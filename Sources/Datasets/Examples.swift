import LinearAlgebra

/// What a network is to say about an example.
public enum TargetKind: Sendable, Equatable, CustomStringConvertible {
  /// At each of `positions` (1 but for sequences) one of `count` classes.
  case classes(count: Int, positions: Int)
  /// `count` numbers.
  case values(count: Int)

  /// Places of an example at which the network predicts something.
  public var positions: Int {
    switch self {
    case .classes(_, let positions): positions
    case .values: 1
    }
  }

  /// Numbers that the network gives at a position: a score for each class, or the values.
  public var outputs: Int {
    switch self {
    case .classes(let count, _), .values(let count): count
    }
  }

  /// Numbers that tell it for an example: a class at each position, or the values.
  public var numberCount: Int {
    switch self {
    case .classes(_, let positions): positions
    case .values(let count): count
    }
  }

  public var description: String {
    switch self {
    case .classes(let count, let positions):
      "\(count) classes" + (positions == 1 ? "" : " at \(positions) positions")
    case .values(let count): "\(count) value\(count == 1 ? "" : "s")"
    }
  }
}

/// Examples of one part, training or test, of a data set; all of one shape.
///
/// The verbs named `fill` are called in every step: they allocate nothing, and write the same
/// numbers whatever was asked for before, on every rank.
public protocol Examples: Sendable {
  /// Examples that there are.
  var count: Int { get }
  /// Of one example: [channels, height, width], [features], [positions] of tokens, or any other.
  var inputShape: [Int] { get }
  /// What is asked of an example.
  var targets: TargetKind { get }
  /// The file that they came from, for messages.
  var source: String { get }
  /// Bytes held in memory.
  var byteCount: Int { get }

  /// Writes network inputs of a scalar, shape [indices.count, inputShape…]; tokens are written as
  /// numbers.
  ///
  /// - Parameter epoch: from 0; the examples are augmented as in this epoch, not at all where it is
  ///   nil.
  func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?)

  /// Writes classes, shape [indices.count, positions]; `targets` must be classes.
  func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>)

  /// Writes values of a scalar, shape [indices.count, count]; `targets` must be values.
  func fill<Element: Scalar>(
    values: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>)

  /// The index by which messages name an example: that of the source.
  func indexInSource(_ index: Int) -> Int

  /// Gives all data to `body`, piece by piece, so that ranks can compare their digests.
  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension Examples {
  public func indexInSource(_ index: Int) -> Int { index }

  /// Numbers in one input.
  public var inputCount: Int { inputShape.reduce(1, *) }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    preconditionFailure("\(source): classes are asked for, targets are \(targets)")
  }

  public func fill<Element: Scalar>(
    values: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>
  ) {
    preconditionFailure("\(source): values are asked for, targets are \(targets)")
  }

  /// Checks a buffer for `size` numbers of each of `indices`, and the indices.
  func check(_ buffer: Int, _ indices: ArraySlice<Int>, size: Int) {
    precondition(
      buffer == indices.count * size,
      "\(buffer) numbers for \(indices.count) examples of \(size)")
    for index in indices {
      precondition(index >= 0 && index < count, "example \(index) of \(count)")
    }
  }
}
