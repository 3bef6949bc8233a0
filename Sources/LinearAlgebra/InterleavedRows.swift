/// Dense rows, interleaved so that a pass over them reads memory from start to end, at the full
/// speed of a core.
package struct InterleavedRows<Element: Scalar>: StoredRows {
  private let start: UnsafeMutableRawPointer
  private let type: RowType
  private let kernels: RowKernels<Element>
  package let capacity: Int
  package let count: Int

  /// Wraps memory as rows.
  ///
  /// - Parameters:
  ///   - start: memory of `bytes(type:capacity:count:)` bytes.
  ///   - type: the stored type, to which `store` rounds: to nearest, ties to even.
  ///   - capacity: the number of slots.
  ///   - count: the number of columns.
  package init(at start: UnsafeMutableRawPointer, type: RowType, capacity: Int, count: Int) {
    self.start = start
    self.type = type
    kernels = Element.kernels.pointee.rows(of: type)
    self.capacity = capacity
    self.count = count
  }

  /// Returns the bytes of memory that the rows take: whole runs of sixteen columns.
  package static func bytes(type: RowType, capacity: Int, count: Int) -> Int {
    type.bytes * capacity * ((count + 15) / 16 * 16)
  }

  package func storeRow(_ x: UnsafePointer<Element>, slot: Int) {
    kernels.store(start, capacity, slot, x, count)
  }

  /// Writes the row of a slot to `x` [count].
  package func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Element>) {
    kernels.load(start, capacity, slot, x, count)
  }

  /// Computes `sums = R x` over rows 0..<filled; `x` [count], `sums` [filled].
  package func dotRows(
    filled: Int, x: UnsafePointer<Element>, sums: UnsafeMutablePointer<Double>
  ) {
    kernels.dots(start, capacity, filled, x, count, sums)
  }

  /// Computes `sums = Rᵀc`, added in the order of the rows; `sums` [count].
  package func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>) {
    kernels.combine(start, capacity, coefficients.count, coefficients, count, sums)
  }

  /// Returns `rows`, shape [filled, count].
  package func arrays(filled: Int) -> [StoredArray] {
    // Double precision holds the numbers of every type.
    let doubles = InterleavedRows<Double>(
      at: start, type: type, capacity: capacity, count: count)
    let bytes = count * type.bytes
    return [
      StoredArray(
        "rows", type.element, shape: [filled, count],
        save: { memory in
          let row = Buffer<Double>(count: count)
          for slot in 0..<filled where count > 0 {
            doubles.loadRow(slot, into: row.pointer)
            for i in 0..<count {
              let (number, at) = (row.pointer[i], slot * bytes + i * type.bytes)
              switch type {
              case .float32: memory.storeBytes(of: Float(number), toByteOffset: at, as: Float.self)
              case .bfloat16:
                memory.storeBytes(
                  of: UInt16(Float(number).bitPattern >> 16), toByteOffset: at, as: UInt16.self)
              case .float64: memory.storeBytes(of: number, toByteOffset: at, as: Double.self)
              }
            }
          }
        },
        restore: { memory in
          let row = Buffer<Double>(count: count)
          for slot in 0..<filled {
            for i in 0..<count {
              let at = slot * bytes + i * type.bytes
              row.pointer[i] =
                switch type {
                case .float32: Double(memory.loadUnaligned(fromByteOffset: at, as: Float.self))
                case .bfloat16:
                  Double(
                    Float(
                      bitPattern: UInt32(
                        memory.loadUnaligned(fromByteOffset: at, as: UInt16.self)) << 16))
                case .float64: memory.loadUnaligned(fromByteOffset: at, as: Double.self)
                }
            }
            doubles.store(UnsafeBufferPointer(row.all), slot: slot)
          }
        })
    ]
  }
}
