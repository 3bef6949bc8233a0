import LinearAlgebra
import Reference
import Testing

@Suite struct InterleavedRowsTests {
  private func value<Element: Scalar>(_ i: Int) -> Element {
    Element((i * 7919) % 1013 - 506) / 97
  }

  @Test(
    "products with stored rows equal plain sums", arguments: RowType.allCases,
    [0, 1, 15, 16, 17, 31, 416])
  func storedRows(type: RowType, count: Int) {
    for capacity in [1, 3, 7, 8, 9, 16, 21] {
      agreesWithPlainSums(of: Float.self, count: count, capacity: capacity, type: type)
      agreesWithPlainSums(of: Double.self, count: count, capacity: capacity, type: type)
    }
  }

  /// A row that was rounded is stored without loss; numbers that are not finite stay visible.
  @Test("rounding to int8 keeps rounded rows, and what is not finite", arguments: [1, 7, 300])
  func int8Rounding(count: Int) {
    for power in [-140, -126, -20, 0, 60, 126] {
      var row = (0..<count).map { (i: Int) -> Float in
        let number: Double = value(i + power)
        return Float(number / 8 * Double(sign: .plus, exponent: power, significand: 1))
      }
      #expect(row.contains { $0 != 0 } || power < -126)
      row.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .int8) }
      let once = row
      row.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .int8) }
      #expect(row == once)
      let memory = Buffer<UInt16>(
        count: InterleavedRows<Float>.bytes(type: .int8, capacity: 1, count: count) / 2)
      let rows = InterleavedRows<Float>(
        at: memory.pointer, type: .int8, capacity: 1, count: count)
      row.withUnsafeBufferPointer { rows.store($0, slot: 0) }
      row.withUnsafeMutableBufferPointer { rows.load(0, into: $0) }
      #expect(row == once)
    }
    for broken in [Float.nan, .infinity, -.infinity] {
      var row = [Float](repeating: 1, count: count)
      row[count / 2] = broken
      row.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .int8) }
      #expect(!row[count / 2].isFinite)
    }
  }

  /// Compares products with plain sums, for lengths around the runs of sixteen and rows around the
  /// groups of eight. Slots that are not filled yet must stay unread.
  private func agreesWithPlainSums<Element: Scalar>(
    of scalar: Element.Type, count: Int, capacity: Int, type: RowType
  ) {
    let numbers = (0..<capacity).flatMap { slot in
      held((0..<count).map { Double(value(slot * count + $0) as Element) }, by: type)
    }
    func stored(_ i: Int) -> Double { numbers[i] }
    let bytes = InterleavedRows<Element>.bytes(type: type, capacity: capacity, count: count)
    let memory = Buffer<UInt16>(count: bytes / 2)
    // Slots that are not filled must not be read: these bits are a NaN of every type.
    memory.all.update(repeating: .max)
    let rows = InterleavedRows<Element>(
      at: memory.pointer, type: type, capacity: capacity, count: count)
    let x = Buffer<Element>(count: count)
    for i in 0..<count { x.pointer[i] = value(i + 31) }
    // Bounds the sums below.
    let size = 6.0 * 6 * Double(count * capacity * capacity)
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
        let sum = folded((0..<count).map { stored(k * count + $0) }, x.all)
        // A scale multiplies the sum instead of its terms.
        #expect(
          type.isScaled ? abs(sums.pointer[k] - sum) <= 1e-12 * size : sums.pointer[k] == sum)
      }

      let coefficients = (0..<filled).map { Double($0) - 2.5 }
      let combined = Buffer<Double>(count: count)
      rows.combine(coefficients, into: combined.all)
      for i in 0..<count {
        // Added in the order of k: the same bits.
        var sum = 0.0
        for k in 0..<filled { sum += coefficients[k] * stored(k * count + i) }
        #expect(
          type.isScaled
            ? abs(combined.pointer[i] - sum) <= 1e-12 * size : combined.pointer[i] == sum)
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
    let expected = (0..<9).flatMap { slot in
      held((0..<count).map { value(slot * count + $0) as Double }, by: type)
    }
    let saved = rows[0].arrays(filled: 9).map { array in
      let memory = Buffer<UInt16>(count: (array.bytes + 1) / 2)
      array.save(
        UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(memory.all)[..<array.bytes]))
      return (array, memory)
    }
    let (array, numbers) = saved.last!
    #expect(array.bytes == 9 * count * type.bytes && array.shape == [9, count])
    #expect(saved.map(\.0.name) == (type.isScaled ? ["scales", "rows"] : ["rows"]))
    for i in 0..<9 * count {
      let start = UnsafeRawPointer(numbers.pointer)
      let number =
        switch type {
        case .float32: Double(start.load(fromByteOffset: 4 * i, as: Float.self))
        case .bfloat16: Double(Float(bitPattern: UInt32(numbers.pointer[i]) << 16))
        case .float64: start.load(fromByteOffset: 8 * i, as: Double.self)
        case .int8:
          Double(start.load(fromByteOffset: i, as: Int8.self))
            * Double(
              UnsafeRawPointer(saved[0].1.pointer).load(
                fromByteOffset: 4 * (i / count), as: Float.self))
        }
      #expect(number == expected[i])
    }
    for (array, (from, memory)) in zip(rows[1].arrays(filled: 9), saved) {
      try array.restore(
        UnsafeRawBufferPointer(
          rebasing: UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(memory.all))[..<from.bytes]
        ))
    }
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
