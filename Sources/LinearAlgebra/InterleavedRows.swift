import CKernels

/// Dense rows, so interleaved that a pass over them reads memory from its start to its end: a core then
/// reads them as fast as it can read at all.
public struct InterleavedRows: StoredRows {
  private let start: UnsafeMutableRawPointer
  private let type: RowType
  public let capacity: Int
  public let count: Int

  /// - Parameters:
  ///   - start: `bytes(type:capacity:count:)` of them.
  ///   - type: of the numbers, to which `store` rounds: to nearest, ties to even.
  ///   - capacity: slots.
  ///   - count: columns.
  public init(at start: UnsafeMutableRawPointer, type: RowType, capacity: Int, count: Int) {
    self.start = start
    self.type = type
    self.capacity = capacity
    self.count = count
  }

  /// Bytes of memory that the rows take: whole runs of sixteen columns.
  public static func bytes(type: RowType, capacity: Int, count: Int) -> Int {
    type.bytes * capacity * ((count + 15) / 16 * 16)
  }

  public func storeRow(_ x: UnsafePointer<Float>, slot: Int) {
    switch type {
    case .float32: ck_float_rows_store(floats, capacity, slot, x, count)
    case .bfloat16: ck_bfloat16_rows_store(halves, capacity, slot, x, count)
    }
  }

  /// `sums = R x`, of rows 0..<filled; `x` [count], `sums` [filled].
  public func dotRows(
    filled: Int, x: UnsafePointer<Float>, sums: UnsafeMutablePointer<Double>
  ) {
    switch type {
    case .float32: ck_float_rows_dots(floats, capacity, filled, x, count, sums)
    case .bfloat16: ck_bfloat16_rows_dots(halves, capacity, filled, x, count, sums)
    }
  }

  /// `sums = Rᵀc`, added in the order of the rows; `sums` [count].
  public func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>) {
    let filled = coefficients.count
    switch type {
    case .float32: ck_float_rows_combine(floats, capacity, filled, coefficients, count, sums)
    case .bfloat16: ck_bfloat16_rows_combine(halves, capacity, filled, coefficients, count, sums)
    }
  }

  /// `rows`, shape [filled, count].
  public func arrays(filled: Int) -> [StoredArray] {
    let element: StoredArray.Element = type == .float32 ? .float32 : .bfloat16
    let bytes = count * type.bytes
    return [
      StoredArray(
        "rows", element, shape: [filled, count],
        save: { memory in
          let row = Buffer<Float>(count: count)
          for slot in 0..<filled where count > 0 {
            loadRow(slot, into: row.pointer)
            for i in 0..<count {
              let (number, at) = (row.pointer[i].bitPattern, slot * bytes + i * type.bytes)
              switch type {
              case .float32: memory.storeBytes(of: number, toByteOffset: at, as: UInt32.self)
              case .bfloat16:
                memory.storeBytes(of: UInt16(number >> 16), toByteOffset: at, as: UInt16.self)
              }
            }
          }
        },
        restore: { memory in
          let row = Buffer<Float>(count: count)
          for slot in 0..<filled {
            for i in 0..<count {
              let at = slot * bytes + i * type.bytes
              row.pointer[i] =
                switch type {
                case .float32: memory.loadUnaligned(fromByteOffset: at, as: Float.self)
                case .bfloat16:
                  Float(
                    bitPattern: UInt32(
                      memory.loadUnaligned(fromByteOffset: at, as: UInt16.self)) << 16)
                }
            }
            store(UnsafeBufferPointer(row.all), slot: slot)
          }
        })
    ]
  }

  /// `x` [count] becomes the row of a slot, in single precision.
  public func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Float>) {
    switch type {
    case .float32: ck_float_rows_load(floats, capacity, slot, x, count)
    case .bfloat16: ck_bfloat16_rows_load(halves, capacity, slot, x, count)
    }
  }

  private var floats: UnsafeMutablePointer<Float> { start.assumingMemoryBound(to: Float.self) }
  private var halves: UnsafeMutablePointer<UInt16> { start.assumingMemoryBound(to: UInt16.self) }
}
