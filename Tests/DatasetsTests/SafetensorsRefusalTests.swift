import Formats
import Mutations
import Support
import Testing

struct SafetensorsRefusalTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Returns the message about a file, without the file's name.
  func refusal(of bytes: [UInt8]) throws -> String? {
    let path = try directory.write(bytes, to: "f")
    let message = DatasetsTests.refusal { _ = try SafetensorsFile(path: path) }
    guard let message, message.hasPrefix("\(path): ") else { return message }
    return String(message.dropFirst(path.count + 2))
  }

  func refusal(of header: String, dataSize: Int = 0) throws -> String? {
    try refusal(of: safetensorsBytes(header, dataSize: dataSize))
  }

  @Test("headers that cannot be read are refused") func unreadableHeaders() throws {
    let cases: [(bytes: [UInt8], message: String)] = [
      ([], "too short for a safetensors file: expected at least 8 bytes, got 0"),
      (
        littleEndian(100_000_001 as UInt64) + [123, 125],
        "not a safetensors file, or its header is too long: "
          + "expected at most 100000000 bytes, got 100000001"
      ),
      (
        littleEndian(UInt64.max) + [123, 125],
        "not a safetensors file, or its header is too long: "
          + "expected at most 100000000 bytes, got 18446744073709551615"
      ),
      (
        littleEndian(3 as UInt64) + [123, 125],
        "the header ends beyond the file: expected at least 11 bytes, got 10"
      ),
      (littleEndian(0 as UInt64), "byte 8: the header does not start with '{'"),
      (
        littleEndian(6 as UInt64) + [123, 34, 0xff, 34, 58, 125],
        "byte 10: the header is not valid UTF-8"
      ),
      // The UTF-8 encoding of a surrogate's code point is invalid.
      (
        littleEndian(8 as UInt64) + [123, 34, 0xed, 0xa0, 0x80, 34, 58, 125],
        "byte 10: the header is not valid UTF-8"
      ),
    ]
    for (bytes, message) in cases { #expect(try refusal(of: bytes) == message) }
  }

  @Test(
    "text that is not a header is refused with its place",
    arguments: [
      (" {}", "byte 8: the header does not start with '{'"),
      ("{} x", "byte 11: text follows the end of the header"),
      ("{}{}", "byte 10: text follows the end of the header"),
      ("{", "byte 9: the text ends: expected '\"'"),
      ("{\"a\"}", "byte 12: expected ':', got '}'"),
      ("{a:1}", "byte 9: expected '\"', got 'a'"),
      ("{\"a\":{},}", "tensor 'a' has no dtype"),
      ("{\"__metadata__\":{},}", "byte 27: expected '\"', got '}'"),
      ("{\"__metadata__\":{\"a\":1}}", "byte 29: expected '\"', got '1'"),
      ("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", "byte 32: the key 'a' occurs twice"),
      ("{\"__metadata__\":{},\"__metadata__\":{}}", "byte 27: the key '__metadata__' occurs twice"),
      ("{\"a\u{0}\":{}}", "byte 11: control character in a string"),
      ("{\"a", "byte 11: the text ends within a string"),
      ("{\"a\\", "byte 12: the text ends within a string"),
      ("{\"\\x\":{}}", "byte 10: unknown escape in a string"),
      ("{\"\\u12g4\":{}}", "byte 12: \\u needs four hexadecimal digits"),
      ("{\"\\u+123\":{}}", "byte 12: \\u needs four hexadecimal digits"),
      ("{\"\\u12", "byte 12: \\u needs four hexadecimal digits"),
      ("{\"\\ud800\":{}}", "byte 10: half of a surrogate pair in a string"),
      ("{\"\\ud800\\u0041\":{}}", "byte 10: half of a surrogate pair in a string"),
      ("{\"\\udc00\\ud800\":{}}", "byte 10: half of a surrogate pair in a string"),
    ])
  func badHeaders(header: String, message: String) throws {
    #expect(try refusal(of: header) == message)
  }

  @Test(
    "impossible tensors are refused with the reason",
    arguments: [
      ("\"dtype\":\"F32\",\"shape\":[2]", "tensor 't' has no data_offsets"),
      ("\"dtype\":\"F32\",\"data_offsets\":[0,8]", "tensor 't' has no shape"),
      ("\"shape\":[2],\"data_offsets\":[0,8]", "tensor 't' has no dtype"),
      ("\"dtype\":\"f32\"", "byte 22: tensor 't' has the unknown dtype 'f32'"),
      ("\"dtype\":\"F32\",\"dtype\":\"F32\"", "byte 28: the key 'dtype' occurs twice"),
      ("\"shape\":[2],\"extra\":0", "byte 34: tensor 't' has the unknown key 'extra'"),
      ("\"shape\":[-1]", "byte 23: expected a number of 0 or more, got '-'"),
      ("\"shape\":[1.0]", "byte 24: expected ']', got '.'"),
      ("\"shape\":[1e3]", "byte 24: expected ']', got 'e'"),
      ("\"shape\":[02]", "byte 23: a number starts with 0"),
      ("\"shape\":[1,]", "byte 25: expected a number of 0 or more, got ']'"),
      ("\"shape\":[9223372036854775808]", "byte 23: a number exceeds 9223372036854775807"),
      ("\"shape\":2", "byte 22: expected '[', got '2'"),
      (
        "\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]",
        "tensor 't': its shape [4294967296, 4294967296] overflows a 64-bit size"
      ),
      (
        "\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]",
        "tensor 't': its shape [2305843009213693952] overflows a 64-bit size"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]",
        "tensor 't': wrong data_offsets [0, 4]: expected 8 bytes (F32, shape [2]), got 4"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]",
        "tensor 't': wrong data_offsets: expected [begin, end], begin ≤ end, got [8, 0]"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]",
        "tensor 't': wrong data_offsets: expected [begin, end], begin ≤ end, got [0, 8, 8]"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]",
        "the data end early: expected 12 bytes after the header, got 8"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]",
        "data follow the last tensor: expected 4 bytes after the header, got 8"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]",
        "tensor 't' leaves a gap after the tensor before it: expected data from byte 0, got 4"
      ),
      (
        "\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[9223372036854775803,9223372036854775807]",
        "tensor 't' leaves a gap after the tensor before it: "
          + "expected data from byte 0, got 9223372036854775803"
      ),
    ])
  func badTensors(members: String, message: String) throws {
    #expect(try refusal(of: "{\"t\":{\(members)}}", dataSize: 8) == message)
  }

  @Test("tensors that share data or a name are refused") func overlappingTensors() throws {
    func tensor(_ name: String, _ begin: Int, _ end: Int) -> String {
      "\"\(name)\":{\"dtype\":\"U8\",\"shape\":[\(end - begin)],\"data_offsets\":[\(begin),\(end)]}"
    }
    #expect(try refusal(of: "{\(tensor("a", 0, 4)),\(tensor("b", 4, 8))}", dataSize: 8) == nil)
    #expect(
      try refusal(of: "{\(tensor("a", 0, 5)),\(tensor("b", 4, 8))}", dataSize: 8)
        == "tensor 'b' overlaps the tensor before it: expected data from byte 5, got 4")
    #expect(
      try refusal(of: "{\(tensor("b", 5, 8)),\(tensor("a", 0, 4))}", dataSize: 8)
        == "tensor 'b' leaves a gap after the tensor before it: expected data from byte 4, got 5")
    #expect(
      try refusal(of: "{\(tensor("a", 0, 4)),\(tensor("\\u0061", 4, 8))}", dataSize: 8)
        == "byte 61: the key 'a' occurs twice")
  }

  @Test("directories and missing files are refused") func missingFiles() throws {
    #expect(
      DatasetsTests.refusal { _ = try SafetensorsFile(path: directory.root) }
        == "\(directory.root): is a directory: expected a file")
    #expect(
      DatasetsTests.refusal { _ = try SafetensorsFile(path: "\(directory.root)/g") }
        == "\(directory.root)/g: cannot open: No such file or directory")
  }
}
