/// Examples that are rows of arrays: of tables and of NumPy's files.
public struct ArrayExamples: Examples {
  /// Of all rows of the source, shape [rows of the source, inputShape…].
  public enum Inputs: Sendable, Equatable {
    case bytes([UInt8])
    case floats([Float])

    var count: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .floats(let floats): floats.count
      }
    }
  }

  /// Of all rows of the source.
  public enum Targets: Sendable, Equatable {
    /// Shape [rows of the source, positions]; each from 0 to below `count`.
    case classes([Int32], count: Int, positions: Int)
    /// Shape [rows of the source, count].
    case values([Float], count: Int)
  }

  public let inputShape: [Int]
  /// Of all rows of the source.
  public let inputs: Inputs
  private let allTargets: Targets
  /// The rows of the source that are this part, in order.
  public let rows: [Int]
  public let source: String

  /// Examples in this part.
  public var count: Int { rows.count }
  /// What is asked of an example.
  public var targets: TargetKind {
    switch allTargets {
    case .classes(_, let count, let positions): .classes(count: count, positions: positions)
    case .values(_, let count): .values(count: count)
    }
  }
  public var byteCount: Int {
    let inputSize =
      switch inputs {
      case .bytes: 1
      case .floats: 4
      }
    return rows.count * (inputCount * inputSize + targets.numberCount * 4 + MemoryLayout<Int>.size)
  }

  /// - Parameters:
  ///   - inputShape: of one example.
  ///   - inputs: of all rows of the source.
  ///   - targets: of all rows of the source.
  ///   - rows: those that are this part, in order.
  ///   - source: where they came from, for messages.
  public init(
    inputShape: [Int], inputs: Inputs, targets: Targets, rows: [Int], source: String
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

  public func fill(
    inputs: UnsafeMutableBufferPointer<Float>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    let size = inputCount
    check(inputs.count, indices, size: size)
    guard let x = inputs.baseAddress else { return }
    switch self.inputs {
    case .bytes(let bytes):
      bytes.withUnsafeBufferPointer { bytes in
        for (place, index) in indices.enumerated() {
          let (x, row) = (x + place * size, bytes.baseAddress! + rows[index] * size)
          for i in 0..<size { x[i] = Float(row[i]) }
        }
      }
    case .floats(let floats): copy(floats, to: x, with: indices, size: size)
    }
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    guard case .classes(let all, _, let positions) = allTargets else {
      preconditionFailure("\(source): classes are asked for, targets are \(targets)")
    }
    check(classes.count, indices, size: positions)
    guard let classes = classes.baseAddress else { return }
    copy(all, to: classes, with: indices, size: positions)
  }

  public func fill(values: UnsafeMutableBufferPointer<Float>, with indices: ArraySlice<Int>) {
    guard case .values(let all, let count) = allTargets else {
      preconditionFailure("\(source): values are asked for, targets are \(targets)")
    }
    check(values.count, indices, size: count)
    guard let values = values.baseAddress else { return }
    copy(all, to: values, with: indices, size: count)
  }

  private func copy<Element>(
    _ all: [Element], to place: UnsafeMutablePointer<Element>, with indices: ArraySlice<Int>,
    size: Int
  ) {
    all.withUnsafeBufferPointer { all in
      for (row, index) in indices.enumerated() {
        (place + row * size).update(from: all.baseAddress! + rows[index] * size, count: size)
      }
    }
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    switch inputs {
    case .bytes(let bytes): withRows(of: bytes, size: inputCount, body)
    case .floats(let floats): withRows(of: floats, size: inputCount, body)
    }
    switch allTargets {
    case .classes(let classes, _, let positions): withRows(of: classes, size: positions, body)
    case .values(let values, let count): withRows(of: values, size: count, body)
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
