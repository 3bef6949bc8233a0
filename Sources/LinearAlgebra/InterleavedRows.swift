/// Dense rows, interleaved so that a pass over them reads memory from start to end, at the full
/// speed of a core.
package struct InterleavedRows<Element: Scalar>: StoredRows {
  private let memory: UnsafeMutableRawPointer
  /// The numbers, after the scales of a scaled type.
  private let start: UnsafeMutableRawPointer
  /// The scale of each slot; nil for a type without.
  private let scales: UnsafeMutablePointer<Float>?
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
    memory = start
    let room = Self.scaleBytes(type: type, capacity: capacity)
    scales = type.isScaled ? start.assumingMemoryBound(to: Float.self) : nil
    self.start = start + room
    self.type = type
    kernels = Element.kernels.pointee.rows(of: type)
    self.capacity = capacity
    self.count = count
  }

  /// Returns the bytes of memory that the rows take: scales, and whole runs of sixteen columns.
  package static func bytes(type: RowType, capacity: Int, count: Int) -> Int {
    // Scaled rows come in pairs.
    let rows = type.isScaled ? (capacity + 1) / 2 * 2 : capacity
    return scaleBytes(type: type, capacity: capacity)
      + type.bytes * rows * ((count + 15) / 16 * 16)
  }

  /// The bytes of the scales: whole cache lines, so that the rows begin at one.
  private static func scaleBytes(type: RowType, capacity: Int) -> Int {
    type.isScaled ? (4 * capacity + 63) / 64 * 64 : 0
  }

  package func storeRow(_ x: UnsafePointer<Element>, slot: Int) {
    scales?[slot] = kernels.scale(x, count)
    kernels.store(start, capacity, slot, x, count)
  }

  /// Writes the row of a slot to `x` [count].
  package func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Element>) {
    kernels.load(start, capacity, slot, x, count)
    guard let scale = scales?[slot] else { return }
    for i in 0..<count { x[i] *= Element(scale) }
  }

  /// Computes `sums = R x` over rows 0..<filled; `x` [count], `sums` [filled].
  package func dotRows(
    filled: Int, x: UnsafePointer<Element>, sums: UnsafeMutablePointer<Double>
  ) {
    kernels.dots(start, capacity, filled, x, count, sums)
    guard let scales else { return }
    for slot in 0..<filled { sums[slot] *= Double(scales[slot]) }
  }

  /// Computes `sums = Rᵀc`, added in the order of the rows; `sums` [count].
  package func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>) {
    let scaled = scales.map { scales in
      coefficients.indices.map { coefficients[$0] * Double(scales[$0]) }
    }
    kernels.combine(start, capacity, coefficients.count, scaled ?? coefficients, count, sums)
  }

  /// Returns `rows`, shape [filled, count], and before them the `scales` of a scaled type, shape
  /// [filled].
  package func arrays(filled: Int) -> [StoredArray] {
    guard let scales, count > 0 else { return numbers(filled: filled) }
    return [
      StoredArray("scales", .float32, shape: [filled], at: scales) { scale in
        guard scale >= .leastNormalMagnitude, scale.isFinite else {
          throw StoredArrayError("a scale of \(scale)")
        }
      }
    ] + numbers(filled: filled)
  }

  private func numbers(filled: Int) -> [StoredArray] {
    // Double precision holds the numbers of every type.
    let doubles = InterleavedRows<Double>(
      at: memory, type: type, capacity: capacity, count: count)
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
              case .int8:
                memory.storeBytes(
                  of: Int8(number / Double(scales![slot])), toByteOffset: at, as: Int8.self)
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
                case .int8:
                  Double(memory.loadUnaligned(fromByteOffset: at, as: Int8.self))
                    * Double(scales![slot])
                }
            }
            let scale = scales?[slot]
            doubles.store(UnsafeBufferPointer(row.all), slot: slot)
            guard scale == scales?[slot] else {
              throw StoredArrayError("row \(slot): its numbers have another scale than \(scale!)")
            }
          }
        })
    ]
  }
}
