import LinearAlgebra

/// Describes what a network predicts for an example.
public enum TargetKind: Sendable, Equatable, CustomStringConvertible {
  /// One of `count` classes at each of `positions`, which is 1 except for sequences.
  case classes(count: Int, positions: Int)
  /// `count` numbers.
  case values(count: Int)

  /// Positions of an example at which the network predicts.
  public var positions: Int {
    switch self {
    case .classes(_, let positions): positions
    case .values: 1
    }
  }

  /// Numbers that the network outputs at a position: a score for each class, or the values.
  public var outputs: Int {
    switch self {
    case .classes(let count, _), .values(let count): count
    }
  }

  /// Numbers in an example's target: a class at each position, or the values.
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

/// Provides the examples of one part, training or test, of a dataset; all have one shape.
///
/// Every step calls the `fill` methods. They allocate nothing, and write the same numbers on every
/// rank, whatever was requested before.
public protocol Examples: Sendable {
  /// Number of examples.
  var count: Int { get }
  /// Shape of one example: [channels, height, width], [features], [positions] of tokens, or any
  /// other.
  var inputShape: [Int] { get }
  /// Kind of target of an example.
  var targets: TargetKind { get }
  /// The file that the examples came from, for messages.
  var source: String { get }
  /// Bytes held in memory.
  var byteCount: Int { get }

  /// Writes inputs, shape [indices.count, inputShape…]; tokens become numbers of the scalar.
  ///
  /// - Parameter epoch: from 0; selects the augmentation of the examples. If nil, they are not
  ///   augmented.
  func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?)

  /// Writes classes, shape [indices.count, positions]; `targets` must be classes.
  func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>)

  /// Writes values of a scalar, shape [indices.count, count]; `targets` must be values.
  func fill<Element: Scalar>(
    values: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>)

  /// Returns the index in the source, by which messages name the example.
  func indexInSource(_ index: Int) -> Int

  /// Passes all data to `body` in pieces; ranks compare digests of them.
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

  /// Checks that a buffer holds `size` numbers for each of `indices`, and that these are in range.
  func check(_ buffer: Int, _ indices: ArraySlice<Int>, size: Int) {
    precondition(
      buffer == indices.count * size,
      "\(buffer) numbers for \(indices.count) examples of \(size)")
    for index in indices {
      precondition(index >= 0 && index < count, "example \(index) of \(count)")
    }
  }
}
