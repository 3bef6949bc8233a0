/// Numbers of a running computation as they are outside of memory: of a type and a shape,
/// row-major, with a name that people read.
///
/// It lasts no longer than the object that gave it, whose memory it reads and writes.
public struct StoredArray {
  /// Named as in files of the safetensors format.
  public enum Element: String, Sendable {
    case float32 = "F32"
    case bfloat16 = "BF16"
    case uint16 = "U16"
    case float64 = "F64"

    /// Of one number.
    public var bytes: Int {
      switch self {
      case .bfloat16, .uint16: 2
      case .float32: 4
      case .float64: 8
      }
    }
  }

  /// What it is called among the arrays of its owner.
  public var name: String
  /// The type of its numbers.
  public let element: Element
  /// Its dimensions, the last one running fastest.
  public let shape: [Int]
  /// Writes the numbers, `bytes` of them.
  public let save: (UnsafeMutableRawBufferPointer) -> Void
  /// Takes over numbers that `save` wrote, in this process or another.
  ///
  /// - Throws: `StoredArrayError` where they are none that there could have been.
  public let restore: (UnsafeRawBufferPointer) throws -> Void

  /// - Parameters:
  ///   - save: writes all numbers, row-major.
  ///   - restore: takes over what `save` wrote.
  public init(
    _ name: String, _ element: Element, shape: [Int],
    save: @escaping (UnsafeMutableRawBufferPointer) -> Void,
    restore: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.name = name
    self.element = element
    self.shape = shape
    self.save = save
    self.restore = restore
  }

  /// Numbers that lie in memory as they are to be stored.
  ///
  /// - Parameter check: throws for a number that there could not have been.
  public init<Number: BitwiseCopyable>(
    _ name: String, _ element: Element, shape: [Int], at numbers: UnsafeMutablePointer<Number>,
    check: ((Number) throws -> Void)? = nil
  ) {
    precondition(element.bytes == MemoryLayout<Number>.size, "\(Number.self) as \(element)")
    let memory = UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(start: numbers, count: shape.reduce(1, *)))
    self.init(
      name, element, shape: shape, save: { $0.copyMemory(from: UnsafeRawBufferPointer(memory)) },
      restore: { stored in
        if let check {
          for at in stride(from: 0, to: stored.count, by: MemoryLayout<Number>.size) {
            try check(stored.loadUnaligned(fromByteOffset: at, as: Number.self))
          }
        }
        memory.copyMemory(from: stored)
      })
  }

  /// A square matrix in double precision, by its elements.
  ///
  /// - Parameters:
  ///   - element: of a row and a column.
  ///   - restore: takes over an element, which is finite.
  public init(
    _ name: String, order: Int, element: @escaping (Int, Int) -> Double,
    restore: @escaping (Int, Int, Double) throws -> Void
  ) {
    func place(_ i: Int, _ j: Int) -> Int { (i * order + j) * MemoryLayout<Double>.size }
    self.init(
      name, .float64, shape: [order, order],
      save: { memory in
        for i in 0..<order {
          for j in 0..<order {
            memory.storeBytes(of: element(i, j), toByteOffset: place(i, j), as: Double.self)
          }
        }
      },
      restore: { memory in
        for i in 0..<order {
          for j in 0..<order {
            let number = memory.loadUnaligned(fromByteOffset: place(i, j), as: Double.self)
            guard number.isFinite else {
              throw StoredArrayError("\(number) at row \(i), column \(j)")
            }
            try restore(i, j, number)
          }
        }
      })
  }

  /// Of all its numbers.
  public var bytes: Int { shape.reduce(element.bytes, *) }
}

extension [String: Double] {
  /// A number that stands beside stored arrays.
  ///
  /// - Throws: `StoredArrayError` where it is missing or not finite.
  public func stored(_ name: String) throws(StoredArrayError) -> Double {
    guard let number = self[name], number.isFinite else {
      throw StoredArrayError(
        "\(name): expected a number, got \(self[name].map { "\($0)" } ?? "none")")
    }
    return number
  }

  /// A whole number of at least 0.
  public func storedCount(_ name: String) throws(StoredArrayError) -> Int {
    let number = try stored(name)
    guard let count = Int(exactly: number), count >= 0 else {
      throw StoredArrayError("\(name): expected a count, got \(number)")
    }
    return count
  }
}

extension Buffer where Element: Scalar {
  /// The numbers of `range`, which must lie within the buffer.
  public func array(_ name: String, _ range: Range<Int>) -> StoredArray {
    StoredArray(
      name, Element.kernels.pointee.type.element, shape: [range.count],
      at: self[range].baseAddress!)
  }
}

/// Stored numbers that there could not have been.
public struct StoredArrayError: Error, CustomStringConvertible {
  public let description: String

  /// - Parameter description: which array, what was expected, and what was got.
  public init(_ description: String) { self.description = description }
}
