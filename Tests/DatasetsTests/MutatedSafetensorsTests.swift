import Formats
import Foundation
import Mutations
import Support
import Testing

/// Tests corrupted safetensors files: each is read correctly or refused with a message. None causes
/// a trap, a hang, or an allocation that only the header's numbers ask for.
struct MutatedSafetensorsTests {
  static let tokens = [
    "\"", "{", "}", "[", "]", ":", ",", "\\", " ", "0", "-", "1e9", "null", "\\ud83d", "\\ude00",
    "\\u0061", "\"n\"", "\"dtype\"", "\"shape\"", "\"F32\"", "\"BF16\"", "[0,8]", "[]",
    "9223372036854775807", "18446744073709551616", "4294967296,", "\"__metadata__\":{},",
    "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]},", "\u{e9}",
  ]

  @Test("safetensors files with corrupted bytes are read correctly or refused")
  func spoiledBytes() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let memory = MemoryFile()
      let original = Array(try #require(Data(base64Encoded: SafetensorsReadTests.fromPython)))
      let mutator = Mutator(tokens: Self.tokens, seed: 3)
      let count = 60_000
      let tally = try Tally(count, refusing: InputError.self) { number in
        var bytes = mutator.mutant(number, of: original)
        // Half of them get a matching header length again; otherwise few would reach the parser.
        if number % 2 == 0, bytes.count > original.count / 2 {
          let size = max(bytes.count - 8 - (original.count - 264), 0)
          bytes.replaceSubrange(0..<8, with: littleEndian(UInt64(size)))
        }
        memory.hold(bytes)
        try Self.use(SafetensorsFile(path: memory.path), of: bytes.count)
      }
      #expect(tally.accepted > count / 50, "\(tally)")
      #expect(tally.refused > count / 2, "\(tally)")
    }
  }

  @Test("safetensors files with corrupted tensors are read correctly or refused")
  func spoiledTensors() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let memory = MemoryFile()
      let mutator = Mutator(tokens: Self.tokens, seed: 8)
      var sound = 0
      let count = 60_000
      let tally = try Tally(count, refusing: InputError.self) { number in
        let (bytes, isSound) = Self.file(number, mutator)
        memory.hold(bytes)
        // No sound file is refused.
        if isSound {
          sound += 1
          #expect(DatasetsTests.refusal { _ = try SafetensorsFile(path: memory.path) } == nil)
        }
        try Self.use(SafetensorsFile(path: memory.path), of: bytes.count)
      }
      #expect(sound > count / 20 && tally.accepted > sound, "\(sound) sound, \(tally)")
      #expect(tally.refused > count / 2, "\(tally)")
    }
  }

  /// Expects every tensor's range to lie in the file, apart from the others, with the shape's
  /// length.
  static func use(_ file: SafetensorsFile, of size: Int) throws {
    var end = 0
    for tensor in file.tensors {
      #expect(tensor.range.lowerBound == end)
      end = tensor.range.upperBound
      #expect(tensor.shape.reduce(1, *) == tensor.count)
      if [.float16, .bfloat16, .float32, .float64].contains(tensor.dtype) {
        #expect(try file.values(tensor.name, as: Double.self).count == tensor.count)
      }
    }
    #expect(end < size)
    #expect(Set(file.tensors.map(\.name)).count == file.tensors.count)
  }

  private struct Tensor {
    var name: String
    var dtype: TensorType
    var shape: [Int]
    var offsets: [Int]
  }

  /// Returns a file of a few tensors, in most cases with an error in one of them.
  private static func file(_ number: Int, _ mutator: Mutator) -> (bytes: [UInt8], isSound: Bool) {
    var draws = Draws(seed: 9, stream: number)
    var size = 0
    var tensors = (0..<draws.next(below: 6)).map { index in
      let dtype = TensorType.allCases.pick(&draws)!
      let shape = (0..<draws.next(below: 4)).map { _ in draws.next(below: 5) }
      let start = size
      size += shape.reduce(dtype.byteCount, *)
      return Tensor(name: "t\(index)", dtype: dtype, shape: shape, offsets: [start, size])
    }
    if tensors.count > 1 { tensors.swapAt(0, draws.next(below: tensors.count)) }
    var (headerChange, isSound, spoilsText) = (0, true, false)
    for _ in 0..<draws.next(below: 3) {
      isSound = false
      let index = draws.next(below: tensors.count)
      switch draws.next(below: 8) {
      case 0: size = max(0, size + draws.next(below: 9) - 4)
      case 1: headerChange = draws.next(below: 2) == 0 ? draws.next(below: 9) - 4 : draws.edge()
      case 2: spoilsText = true
      case _ where tensors.isEmpty: break
      case 3: tensors[index].offsets[draws.next(below: 2)] = draws.edge()
      case 4:
        // The tensor is moved and keeps its length.
        let shift = draws.next(below: 17) - 8
        tensors[index].offsets = tensors[index].offsets.map { $0 &+ shift }
      case 5: tensors[index].shape.append(draws.edge())
      case 6: tensors[index].name = tensors.pick(&draws)!.name
      default: tensors[index].dtype = TensorType.allCases.pick(&draws)!
      }
    }
    let members = tensors.map {
      "\"\($0.name)\":{\"dtype\":\"\($0.dtype.rawValue)\",\"shape\":\($0.shape),"
        + "\"data_offsets\":\($0.offsets)}"
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    if spoilsText { header = mutator.mutant(number, of: header) }
    header += Array(repeating: UInt8(ascii: " "), count: draws.next(below: 9))
    let length = UInt64(truncatingIfNeeded: header.count &+ headerChange)
    return (littleEndian(length) + header + Array(repeating: 7, count: size), isSound)
  }
}
