/// A named array that a checkpoint stores, with a type and a shape, row-major; reads and writes the
/// memory of the object that created it.
///
/// It must not outlive that object.
public struct StoredArray {
  /// Names the element types as safetensors files do.
  public enum Element: String, Sendable {
    case float32 = "F32"
    case bfloat16 = "BF16"
    case uint16 = "U16"
    case float64 = "F64"
    case int8 = "I8"

    /// Bytes of one number.
    public var bytes: Int {
      switch self {
      case .int8: 1
      case .bfloat16, .uint16: 2
      case .float32: 4
      case .float64: 8
      }
    }
  }

  /// The name, unique among the arrays of its owner.
  public var name: String
  public let element: Element
  /// The dimensions, row-major.
  public let shape: [Int]
  /// Writes the numbers, `bytes` bytes in total.
  public let save: (UnsafeMutableRawBufferPointer) -> Void
  /// Reads numbers that `save` wrote, in this process or another.
  ///
  /// - Throws: `StoredArrayError` if a number is impossible.
  public let restore: (UnsafeRawBufferPointer) throws -> Void

  /// Creates an array from two closures.
  ///
  /// - Parameters:
  ///   - save: writes all numbers, row-major.
  ///   - restore: reads what `save` wrote.
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

  /// Creates an array of numbers that memory already holds in their stored form.
  ///
  /// - Parameter check: throws for an impossible number.
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

  /// Creates a square matrix in double precision from accessors of its elements.
  ///
  /// - Parameters:
  ///   - element: returns the element of a row and a column.
  ///   - restore: receives a finite element of a row and a column.
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

  /// Bytes of all numbers.
  public var bytes: Int { shape.reduce(element.bytes, *) }
}

extension [String: Double] {
  /// Returns a number stored next to the arrays.
  ///
  /// - Throws: `StoredArrayError` if it is missing or not finite.
  public func stored(_ name: String) throws(StoredArrayError) -> Double {
    guard let number = self[name], number.isFinite else {
      throw StoredArrayError(
        "\(name): expected a number, got \(self[name].map { "\($0)" } ?? "none")")
    }
    return number
  }

  /// Returns a stored whole number of at least 0.
  ///
  /// - Throws: `StoredArrayError` if it is missing or no such number.
  public func storedCount(_ name: String) throws(StoredArrayError) -> Int {
    let number = try stored(name)
    guard let count = Int(exactly: number), count >= 0 else {
      throw StoredArrayError("\(name): expected a count, got \(number)")
    }
    return count
  }
}

extension Buffer where Element: Scalar {
  /// Returns the numbers of `range`, which must lie within the buffer, as a stored array.
  public func array(_ name: String, _ range: Range<Int>) -> StoredArray {
    StoredArray(
      name, Element.kernels.pointee.type.element, shape: [range.count],
      at: self[range].baseAddress!)
  }
}

/// Reports stored numbers that are impossible.
public struct StoredArrayError: Error, CustomStringConvertible {
  public let description: String

  /// Creates the error.
  ///
  /// - Parameter description: names the array, the expected value and the actual one.
  public init(_ description: String) { self.description = description }
}
