import LinearAlgebra
import Reference
import Testing

@Suite struct StoredFormsTests {
  private func rounded(_ numbers: [Float]) -> [Float] {
    var numbers = numbers
    numbers.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .bfloat16) }
    return numbers
  }

  /// Covers every upper half of a `Float`, with lower halves below, at and above the middle.
  @Test(
    "numbers are rounded to the nearer neighbour in bfloat16",
    arguments: [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] as [UInt32])
  func nearestNeighbour(lower: UInt32) {
    let numbers = (0..<1 << 16).map { Float(bitPattern: $0 << 16 | lower) }
    for (x, result) in zip(numbers, rounded(numbers)) {
      if x.isNaN {
        #expect(result.isNaN)
      } else {
        #expect(result.bitPattern == roundedToBFloat16(x).bitPattern, "\(x)")
      }
      #expect(result.bitPattern & 0xffff == 0)
    }
  }

  @Test("known numbers are rounded correctly") func knownRoundings() {
    let cases: [(Float, Float)] = [
      (1 + 0x1p-8, 1), (1 + 0x3p-8, 1 + 0x4p-8), (-1 - 0x1p-8, -1), (1 + 0x1.1p-8, 1 + 0x1p-7),
      (.infinity, .infinity), (-.infinity, -.infinity),
      (.greatestFiniteMagnitude, .infinity), (0x1.fep127, 0x1.fep127),
      (.leastNonzeroMagnitude, 0), (0x1p-133, 0x1p-133), (0x3p-134, 0x4p-134), (0x1p-134, 0),
    ]
    #expect(rounded(cases.map(\.0)) == cases.map(\.1))
    #expect(rounded([-0.0])[0].sign == .minus)
    // A NaN whose digits are all in the lower half.
    #expect(rounded([Float(bitPattern: 0x7f80_0001)])[0].isNaN)
  }

  @Test("numbers of single precision are not changed") func singlePrecision() {
    var numbers: [Float] = [1 + 0x1p-23, .pi]
    let before = numbers
    numbers.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .float32) }
    #expect(numbers == before)
  }

  /// A double is rounded once: by way of single precision, it might become a tie.
  @Test("doubles are rounded once") func doubleRounding() {
    let tiny = 0x1p-45
    let cases: [(Double, Double)] = [
      (1 + 0x1p-8 + tiny, 1 + 0x1p-7), (1 + 0x1p-8, 1), (1 + 0x1p-8 - tiny, 1),
      (1 + 0x3p-8 - tiny, 1 + 0x2p-8), (1 + 0x3p-8, 1 + 0x4p-8), (-1 - 0x1p-8 - tiny, -1 - 0x1p-7),
      (-1 - 0x1p-8 + tiny, -1), (.infinity, .infinity), (1e300, .infinity), (-1e300, -.infinity),
      (0x1.fep127, 0x1.fep127), (0x1p-134 + 0x1p-160, 0x1p-133), (0x1p-134, 0), (0, 0),
    ]
    var numbers = cases.map(\.0)
    numbers.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .bfloat16) }
    #expect(numbers == cases.map(\.1))
    for type in RowType.unscaledTypes(for: Double.self) {
      var many = (1..<20_000).map { (i: Int) -> Double in
        Double((i * 7919) % 10_007 - 5003) / 977 * (1 + 0x1p-30)
      }
      // Ties and their neighbours.
      for i in 0..<512 {
        let tie = 1 + Double(i) * 0x1p-9
        many += [tie - tiny, tie, tie + tiny]
      }
      let expected = many.map { held($0, by: type) }
      many.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: type) }
      #expect(many == expected)
    }
    var broken: [Double] = [.nan]
    broken.withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: .bfloat16) }
    #expect(broken[0].isNaN)
  }

  private func largest<Element: Scalar>(_ count: Int, of x: [Element]) -> [Int] {
    var columns = [UInt16](repeating: .max, count: count)
    x.withUnsafeBufferPointer { x in
      columns.withUnsafeMutableBufferPointer { MixedPrecision.largest(of: x, columns: $0) }
    }
    return columns.map(Int.init)
  }

  @Test("the largest numbers are found", arguments: [1, 2, 17, 100, 4096])
  func largestNumbers(count: Int) {
    // Few different magnitudes: most are tied.
    let numbers = (0..<count).map { Float(($0 * 7919) % 23 - 11) / 8 }
    for entries in [0, 1, 2, count / 3, count - 1, count] where entries <= count {
      #expect(largest(entries, of: numbers) == placesOfLargest(entries, of: numbers))
      // Differences that single precision does not hold.
      let doubles = numbers.enumerated().map { Double($1) * (1 + Double($0 % 5) * 1e-12) }
      #expect(largest(entries, of: doubles) == placesOfLargest(entries, of: doubles))
    }
  }

  @Test("the first of equal numbers is taken") func ties() {
    #expect(largest(2, of: [1, -2, 2, 2, 0] as [Float]) == [1, 2])
    #expect(largest(2, of: [0, 0, 0] as [Float]) == [0, 1])
    #expect(largest(3, of: [-0.0, 0x1p-149, 0, -0x1p-149] as [Float]) == [0, 1, 3])
    #expect(largest(2, of: [3, .infinity, .nan, 4] as [Float]) == [1, 2])
    #expect(largest(1, of: [3, -.infinity, .nan] as [Float]) == [2])
    #expect(largest(3, of: [-0.0, 0x1p-1074, 0, -0x1p-1074] as [Double]) == [0, 1, 3])
    #expect(largest(1, of: [3, -.infinity, .nan] as [Double]) == [2])
  }
}
