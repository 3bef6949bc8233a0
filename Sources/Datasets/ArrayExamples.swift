import LinearAlgebra

/// Holds examples as rows of arrays, read from tables or NumPy files.
public struct ArrayExamples: Examples {
  /// Stores numbers in the type they were read in; `fill` converts them to its scalar.
  public enum Numbers: Sendable, Equatable {
    case bytes([UInt8])
    case floats([Float])
    case doubles([Double])

    var count: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .floats(let floats): floats.count
      case .doubles(let doubles): doubles.count
      }
    }

    /// Bytes per number.
    var size: Int {
      switch self {
      case .bytes: 1
      case .floats: 4
      case .doubles: 8
      }
    }
  }

  /// Holds the targets of all rows of the source.
  public enum Targets: Sendable, Equatable {
    /// Shape [rows of the source, positions]; each class is in 0..<count.
    case classes([Int32], count: Int, positions: Int)
    /// Shape [rows of the source, count].
    case values(Numbers, count: Int)
  }

  public let inputShape: [Int]
  /// Inputs of all rows of the source, shape [rows of the source, inputShape…].
  public let inputs: Numbers
  private let allTargets: Targets
  /// Rows of the source that belong to this part, in order.
  public let rows: [Int]
  public let source: String

  public var count: Int { rows.count }
  public var targets: TargetKind {
    switch allTargets {
    case .classes(_, let count, let positions): .classes(count: count, positions: positions)
    case .values(_, let count): .values(count: count)
    }
  }
  public var byteCount: Int {
    let targetSize =
      switch allTargets {
      case .classes: 4
      case .values(let values, _): values.size
      }
    return rows.count
      * (inputCount * inputs.size + targets.numberCount * targetSize + MemoryLayout<Int>.size)
  }

  /// Creates a part of the source.
  ///
  /// - Parameters:
  ///   - inputShape: shape of one example.
  ///   - inputs: inputs of all rows of the source.
  ///   - targets: targets of all rows of the source.
  ///   - rows: rows that belong to this part, in order.
  ///   - source: the file the rows came from, for messages.
  public init(
    inputShape: [Int], inputs: Numbers, targets: Targets, rows: [Int], source: String
  ) {
    let all = inputs.count / inputShape.reduce(1, *)
    precondition(
      inputs.count == all * inputShape.reduce(1, *), "\(inputs.count) inputs of \(inputShape)")
    switch targets {
    case .classes(let classes, let count, let positions):
      precondition(classes.count == all * positions, "\(classes.count) classes, \(all) rows")
      precondition(classes.allSatisfy { $0 >= 0 && $0 < count }, "classes beyond \(count)")
    case .values(let values, let count):
      precondition(values.count == all * count, "\(values.count) values, \(all) rows")
    }
    precondition(rows.allSatisfy { $0 >= 0 && $0 < all }, "rows beyond \(all)")
    self.inputShape = inputShape
    self.inputs = inputs
    allTargets = targets
    self.rows = rows
    self.source = source
  }

  public func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    check(inputs.count, indices, size: inputCount)
    guard let x = inputs.baseAddress else { return }
    copy(self.inputs, to: x, with: indices, size: inputCount)
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    guard case .classes(let all, _, let positions) = allTargets else {
      preconditionFailure("\(source): classes are asked for, targets are \(targets)")
    }
    check(classes.count, indices, size: positions)
    guard let classes = classes.baseAddress else { return }
    copy(all, to: classes, with: indices, size: positions) { $0 }
  }

  public func fill<Element: Scalar>(
    values: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>
  ) {
    guard case .values(let all, let count) = allTargets else {
      preconditionFailure("\(source): values are asked for, targets are \(targets)")
    }
    check(values.count, indices, size: count)
    guard let values = values.baseAddress else { return }
    copy(all, to: values, with: indices, size: count)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func copy<Element: Scalar>(
    _ all: Numbers, to place: UnsafeMutablePointer<Element>, with indices: ArraySlice<Int>,
    size: Int
  ) {
    switch all {
    case .bytes(let bytes): copy(bytes, to: place, with: indices, size: size) { Element($0) }
    case .floats(let floats): copy(floats, to: place, with: indices, size: size) { Element($0) }
    case .doubles(let doubles): copy(doubles, to: place, with: indices, size: size) { Element($0) }
    }
  }

  @inline(__always)
  private func copy<Stored, Number>(
    _ all: [Stored], to place: UnsafeMutablePointer<Number>, with indices: ArraySlice<Int>,
    size: Int, _ number: (Stored) -> Number
  ) {
    all.withUnsafeBufferPointer { all in
      for (row, index) in indices.enumerated() {
        let (from, to) = (all.baseAddress! + rows[index] * size, place + row * size)
        if Stored.self == Number.self {
          UnsafeMutableRawPointer(to).copyMemory(
            from: from, byteCount: size * MemoryLayout<Number>.stride)
        } else {
          for i in 0..<size { to[i] = number(from[i]) }
        }
      }
    }
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withRows(of: inputs, size: inputCount, body)
    switch allTargets {
    case .classes(let classes, _, let positions): withRows(of: classes, size: positions, body)
    case .values(let values, let count): withRows(of: values, size: count, body)
    }
  }

  private func withRows(
    of all: Numbers, size: Int, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    switch all {
    case .bytes(let bytes): withRows(of: bytes, size: size, body)
    case .floats(let floats): withRows(of: floats, size: size, body)
    case .doubles(let doubles): withRows(of: doubles, size: size, body)
    }
  }

  private func withRows<Element>(
    of all: [Element], size: Int, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    all.withUnsafeBufferPointer { all in
      for row in rows {
        body(
          UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[row * size..<(row + 1) * size])))
      }
    }
  }
}
