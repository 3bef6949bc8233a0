import LinearAlgebra
import Reference
import Testing

@Suite struct InterleavedRowsTests {
  private func value<Element: Scalar>(_ i: Int) -> Element {
    Element((i * 7919) % 1013 - 506) / 97
  }

  @Test(
    "products with rows of single precision equal plain sums",
    arguments: [0, 1, 15, 16, 17, 31, 416], [1, 3, 7, 8, 9, 16, 21])
  func singleRows(count: Int, capacity: Int) {
    agreesWithPlainSums(of: Float.self, count: count, capacity: capacity, type: .float32)
    agreesWithPlainSums(of: Double.self, count: count, capacity: capacity, type: .float32)
  }

  @Test(
    "products with rows of bfloat16 equal plain sums",
    arguments: [0, 1, 15, 16, 17, 31, 416], [1, 3, 7, 8, 9, 16, 21])
  func bfloat16Rows(count: Int, capacity: Int) {
    agreesWithPlainSums(of: Float.self, count: count, capacity: capacity, type: .bfloat16)
    agreesWithPlainSums(of: Double.self, count: count, capacity: capacity, type: .bfloat16)
  }

  @Test(
    "products with rows of double precision equal plain sums",
    arguments: [0, 1, 15, 16, 17, 31, 416], [1, 3, 7, 8, 9, 16, 21])
  func doubleRows(count: Int, capacity: Int) {
    agreesWithPlainSums(of: Float.self, count: count, capacity: capacity, type: .float64)
    agreesWithPlainSums(of: Double.self, count: count, capacity: capacity, type: .float64)
  }

  /// Compares products with plain sums, for lengths around the runs of sixteen and rows around the
  /// groups of eight. Slots that are not filled yet must stay unread.
  private func agreesWithPlainSums<Element: Scalar>(
    of scalar: Element.Type, count: Int, capacity: Int, type: RowType
  ) {
    func stored(_ i: Int) -> Double { held(Double(value(i) as Element), by: type) }
    let bytes = InterleavedRows<Element>.bytes(type: type, capacity: capacity, count: count)
    let memory = Buffer<UInt16>(count: bytes / 2)
    // Slots that are not filled must not be read: these bits are a NaN of every type.
    memory.all.update(repeating: .max)
    let rows = InterleavedRows<Element>(
      at: memory.pointer, type: type, capacity: capacity, count: count)
    let x = Buffer<Element>(count: count)
    for i in 0..<count { x.pointer[i] = value(i + 31) }
    for filled in 0...capacity {
      if filled > 0 {
        let row = Buffer<Element>(count: count)
        for i in 0..<count { row.pointer[i] = value((filled - 1) * count + i) }
        rows.store(UnsafeBufferPointer(row.all), slot: filled - 1)
        rows.load(filled - 1, into: row.all)
        for i in 0..<count {
          #expect(row.pointer[i] == Element(stored((filled - 1) * count + i)))
        }
      }
      let sums = Buffer<Double>(count: filled)
      rows.dots(filled: filled, x: UnsafeBufferPointer(x.all), sums: sums.pointer)
      for k in 0..<filled {
        #expect(sums.pointer[k] == folded((0..<count).map { stored(k * count + $0) }, x.all))
      }

      let coefficients = (0..<filled).map { Double($0) - 2.5 }
      let combined = Buffer<Double>(count: count)
      rows.combine(coefficients, into: combined.all)
      for i in 0..<count {
        // Added in the order of k: the same bits.
        var sum = 0.0
        for k in 0..<filled { sum += coefficients[k] * stored(k * count + i) }
        #expect(combined.pointer[i] == sum)
      }
    }
  }

  /// Returns the sum in eight lanes, folded in their order: the same bits on every CPU.
  private func folded<Element: Scalar>(
    _ row: [Double], _ x: UnsafeMutableBufferPointer<Element>
  ) -> Double {
    var lanes = [Double](repeating: 0, count: 8)
    for i in row.indices { lanes[i % 8] += row[i] * Double(x[i]) }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
      + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
  }

  /// Saved rows contain the stored numbers, and rows restored from them are the same.
  @Test("saved rows are restored unchanged", arguments: RowType.allCases, [1, 17])
  func savedRows(type: RowType, count: Int) throws {
    let bytes = InterleavedRows<Double>.bytes(type: type, capacity: 9, count: count)
    let memory = [Buffer<UInt16>(count: bytes / 2), Buffer<UInt16>(count: bytes / 2)]
    let rows = memory.map {
      InterleavedRows<Double>(at: $0.pointer, type: type, capacity: 9, count: count)
    }
    for slot in 0..<9 {
      let row: [Double] = (0..<count).map { value(slot * count + $0) }
      row.withUnsafeBufferPointer { rows[0].store($0, slot: slot) }
    }
    let saved = Buffer<UInt16>(count: 9 * count * type.bytes / 2)
    let array = rows[0].arrays(filled: 9)[0]
    #expect(array.bytes == 9 * count * type.bytes && array.shape == [9, count])
    array.save(UnsafeMutableRawBufferPointer(saved.all))
    for i in 0..<9 * count {
      let start = UnsafeRawPointer(saved.pointer)
      let number =
        switch type {
        case .float32: Double(start.load(fromByteOffset: 4 * i, as: Float.self))
        case .bfloat16: Double(Float(bitPattern: UInt32(saved.pointer[i]) << 16))
        case .float64: start.load(fromByteOffset: 8 * i, as: Double.self)
        }
      #expect(number == held(value(i), by: type))
    }
    try rows[1].arrays(filled: 9)[0].restore(UnsafeRawBufferPointer(saved.all))
    #expect(Array(memory[1].all) == Array(memory[0].all))
  }

  @Test("a dot product has the same bits as a row's product", arguments: [0, 1, 7, 8, 9, 31, 416])
  func dotProductBits(count: Int) {
    let row: [Float] = (0..<count).map(value)
    let x = Buffer<Float>(count: count)
    for i in 0..<count { x.pointer[i] = value(i + 31) }
    row.withUnsafeBufferPointer {
      #expect(
        MixedPrecision.dot($0, UnsafeBufferPointer(x.all)) == folded(row.map(Double.init), x.all))
    }
  }

  @Test("a dot product propagates NaN", arguments: [0, 5, 8])
  func propagatedNaN(at place: Int) {
    var row: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    row[place] = .nan
    row.withUnsafeBufferPointer { #expect(MixedPrecision.dot($0, $0).isNaN) }
  }
}
