import Formats
import Foundation
import Support
import Testing

/// Returns a safetensors file with this header and `dataSize` bytes that count up from 0.
func safetensorsBytes(_ header: String, dataSize: Int) -> [UInt8] {
  littleEndian(UInt64(header.utf8.count)) + Array(header.utf8)
    + (0..<dataSize).map { UInt8(truncatingIfNeeded: $0) }
}

struct SafetensorsReadTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    try SafetensorsFile(path: directory.write(bytes, to: "f"))
  }

  func open(_ header: String, dataSize: Int) throws -> SafetensorsFile {
    try open(safetensorsBytes(header, dataSize: dataSize))
  }

  // Made by Python's safetensors 0.8.0:
  //   save({"w": float32 [[1.5, -2], [0.1, 3e38]], "e": float64 [0.1, 1e300],
  //         "h": float16 [65504, 6e-8, -0.0], "n": int64 7},
  //        metadata={"µ": 'a"\n😀'})
  static let fromPython =
    "AAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyLCtSI6ImFcIlxu8J+YgCJ9LCJuIjp7ImR0eXBlIjoiSTY0Iiwic2hh"
    + "cGUiOltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiZSI6eyJkdHlwZSI6IkY2NCIsInNoYXBlIjpbMl0sImRhdGFf"
    + "b2Zmc2V0cyI6WzgsMjRdfSwidyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwyXSwiZGF0YV9vZmZzZXRzIjpb"
    + "MjQsNDBdfSwiaCI6eyJkdHlwZSI6IkYxNiIsInNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzQwLDQ2XX19ICAg"
    + "BwAAAAAAAACamZmZmZm5P5x1AIg85Dd+AADAPwAAAMDNzMw95rFhf/97AQAAgA=="

  @Test("a file written by Python is read") func pythonFile() throws {
    let file = try open(Array(#require(Data(base64Encoded: Self.fromPython))))
    #expect(file.metadata == ["µ": "a\"\n😀"])
    #expect(file.tensors.map(\.name) == ["n", "e", "w", "h"])
    #expect(file.tensors.map(\.dtype) == [.int64, .float64, .float32, .float16])
    #expect(file.tensors.map(\.shape) == [[], [2], [2, 2], [3]])
    #expect(file.tensors.map(\.range) == [0..<8, 8..<24, 24..<40, 40..<46])
    #expect(file.tensors.map(\.count) == [1, 2, 4, 3])
    #expect(try file.values("e", as: Double.self) == [0.1, 1e300])
    #expect(try file.values("e", as: Float.self) == [0.1, .infinity])
    #expect(try file.values("w", as: Float.self) == [1.5, -2, 0.1, 3e38])
    #expect(
      try file.values("w", as: Double.self) == [
        1.5, -2, Double(0.1 as Float), Double(3e38 as Float),
      ])
    #expect(try file.values("h", as: Double.self) == [65504, 0x1p-24, 0])
    #expect(try file.values("h", as: Float.self)[2].sign == .minus)
  }

  @Test("every 16-bit number is converted correctly") func halfPrecision() throws {
    let header = """
      {"b":{"dtype":"BF16","shape":[65536],"data_offsets":[0,131072]},
      "h":{"dtype":"F16","shape":[65536],"data_offsets":[131072,262144]}}
      """
    let every = (0...65535 as ClosedRange<UInt16>).flatMap(littleEndian)
    let file = try open(littleEndian(UInt64(header.utf8.count)) + header.utf8 + every + every)
    let (brain, half) = try (file.values("b", as: Float.self), file.values("h", as: Float.self))
    for bits in 0...65535 {
      // Sign, exponent and fraction, from the definition of the formats.
      let sign: Double = bits >> 15 == 0 ? 1 : -1
      func value(exponentBits: Int, fractionBits: Int) -> Double {
        let bias = 1 << (exponentBits - 1) - 1
        let exponent = bits >> fractionBits & (1 << exponentBits - 1)
        let fraction = Double(bits & (1 << fractionBits - 1)) / Double(1 << fractionBits)
        if exponent == 1 << exponentBits - 1 { return fraction == 0 ? sign * .infinity : .nan }
        let significand = exponent == 0 ? fraction : 1 + fraction
        return sign * significand * exp2(Double(max(exponent, 1) - bias))
      }
      let expectedHalf = value(exponentBits: 5, fractionBits: 10)
      let expectedBrain = value(exponentBits: 8, fractionBits: 7)
      // `#expect` would be too slow for this many comparisons.
      if Double(half[bits]) != expectedHalf && !(half[bits].isNaN && expectedHalf.isNaN) {
        Issue.record("F16 \(bits): \(half[bits]), expected \(expectedHalf)")
      }
      if Double(brain[bits]) != expectedBrain && !(brain[bits].isNaN && expectedBrain.isNaN) {
        Issue.record("BF16 \(bits): \(brain[bits]), expected \(expectedBrain)")
      }
    }
  }

  @Test("every type in a header is read") func headerTypes() throws {
    for type in TensorType.allCases {
      let size = 3 * type.byteCount
      let file = try open(
        #"{"t":{"dtype":"\#(type.rawValue)","shape":[3],"data_offsets":[0,\#(size)]}}"#,
        dataSize: size)
      #expect(file.tensor("t")?.dtype == type)
      let isFloat = [.float16, .bfloat16, .float32, .float64].contains(type)
      let message =
        "\(file.path): tensor 't' has another type: "
        + "expected F16, BF16, F32 or F64, got \(type.rawValue)"
      #expect(refusal { _ = try file.values("t", as: Float.self) } == (isFloat ? nil : message))
      #expect(refusal { _ = try file.values("t", as: Double.self) } == (isFloat ? nil : message))
    }
  }

  @Test("all valid forms of a header are read") func headerForms() throws {
    let file = try open(
      #"{ "a\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\" :"# + "\t{\"shape\" :[ 2 , 1 ] ,\r\n"
        + #""data_offsets":[0,4],"dtype":"F16" },"# + "\n"
        + #""empty":{"dtype":"F32","shape":[7,0],"data_offsets":[4,4]},"#
        + #""__metadata__":{"":"","k":"\u0000"}}"# + "  \n\t ", dataSize: 4)
    #expect(file.tensors.map(\.name) == ["aé😀/\u{8}\u{c}\n\r\t\"\\", "empty"])
    #expect(file.tensors[0].shape == [2, 1])
    #expect(try file.values("empty", as: Float.self).isEmpty)
    #expect(file.metadata == ["": "", "k": "\0"])
    #expect(try open("{}", dataSize: 0).tensors.isEmpty)
  }

  @Test("tensors are in the order of their data") func tensorOrder() throws {
    let file = try open(
      #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"#
        + #""z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"#
        + #""y":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"#
        + #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, dataSize: 4)
    #expect(file.tensors.map(\.name) == ["a", "z", "y", "b"])
  }

  @Test("a missing tensor is named") func missingTensor() throws {
    let file = try open("{}", dataSize: 0)
    #expect(file.tensor("w") == nil)
    #expect(
      refusal { _ = try file.values("w", as: Float.self) } == "\(file.path): there is no tensor 'w'"
    )
  }

  @Test("a file that shrinks while it is read is refused") func shrinkingFile() throws {
    let path = "\(directory.root)/f"
    let file = try open(
      #"{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, dataSize: 8)
    #expect(truncate(path, 65) == 0)
    #expect(
      refusal { _ = try file.values("t", as: Float.self) }
        == "\(path): ends early: expected 70 bytes, got 65 bytes")
  }
}
