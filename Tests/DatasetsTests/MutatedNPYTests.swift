import Datasets
import Formats
import Foundation
import Mutations
import Support
import Testing

/// Tests corrupted NPY files: each is read correctly or refused with a message. None causes a trap,
/// a hang, or an allocation that only the header's numbers ask for.
struct MutatedNPYTests {
  static let tokens = [
    "'", "(", ")", "{", "}", ",", ":", "L", " ", "\n", "'descr'", "'shape'", "'fortran_order'",
    "True", "False", "'|u1'", "'<f8'", "'>f4'", "[('a','<f4')]", "0", "3", "(3,)", "()",
    "9223372036854775807", "4294967296,", "-1",
  ]

  @Test("NPY files with corrupted bytes are read correctly or refused") func spoiledBytes() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let files = Files()
      let numbers = NPYTests.data([1, 2, 3, 4, 5, 6] as [Float])
      let originals = [
        NPYTests.npy("<f4", [3, 2], numbers),
        NPYTests.npy("<i4", [3, 2], numbers, version: (2, 0)),
        NPYTests.npy("|u1", [3, 2, 4], numbers), NPYTests.npy("<i8", [3], numbers),
      ]
      let mutator = Mutator(tokens: Self.tokens, seed: 6)
      let count = 15_000
      for original in originals {
        let tally = try Tally(count, refusing: InputError.self) { number in
          try files.use(mutator.mutant(number, of: original), asInputs: number % 2 == 0)
        }
        // Most of a file is its header, and none of its bytes may change.
        #expect(tally.accepted > count / 200, "\(tally)")
        #expect(tally.refused > count / 4, "\(tally)")
      }
    }
  }

  @Test("NPY files with corrupted headers are read correctly or refused")
  func spoiledHeaders() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let files = Files()
      let mutator = Mutator(tokens: Self.tokens, seed: 7)
      let count = 60_000
      var sound = 0
      let tally = try Tally(count, refusing: InputError.self) { number in
        let (bytes, isSound) = Self.file(number, mutator)
        if isSound {
          sound += 1
          #expect(DatasetsTests.refusal { try files.use(bytes, asInputs: true) } == nil)
        }
        try files.use(bytes, asInputs: isSound || number % 2 == 0)
      }
      #expect(sound > count / 20 && tally.accepted > sound, "\(sound) sound, \(tally)")
      #expect(tally.refused > count / 4, "\(tally)")
    }
  }

  /// Returns a file of three examples, in most cases with one error in its header.
  private static func file(_ number: Int, _ mutator: Mutator) -> (bytes: [UInt8], isSound: Bool) {
    var draws = Draws(seed: 10, stream: number)
    let types = ["|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"]
    var (type, order) = (types.pick(&draws)!, "False")
    var shape = [3] + (0..<draws.next(below: 3)).map { _ in 1 + draws.next(below: 3) }
    var size = shape.reduce(Int(type.suffix(1))!, *)
    var version = UInt8(1 + draws.next(below: 3))
    var (headerChange, isSound, spoilsText) = (0, true, false)
    for _ in 0..<draws.next(below: 3) {
      isSound = false
      switch draws.next(below: 7) {
      case 0: size = max(0, size + draws.next(below: 9) - 4)
      case 1: headerChange = draws.next(below: 2) == 0 ? draws.next(below: 9) - 4 : draws.edge()
      case 2: spoilsText = true
      case 3: shape[draws.next(below: shape.count)] = draws.edge()
      case 4: type = (types + [">f2", ">i4", "|O", "<u16", "=u1", "u1"]).pick(&draws)!
      case 5: version = UInt8(draws.next(below: 256))
      default: order = draws.next(below: 2) == 0 ? "True" : "true"
      }
    }
    var members = [
      "'descr': '\(type)'", "\"fortran_order\":\(order)",
      "'shape': (\(shape.map { "\($0)," }.joined()))",
    ]
    members.swapAt(0, draws.next(below: 3))
    var header = Array("{\(members.joined(separator: ", "))}".utf8)
    if spoilsText { header = mutator.mutant(number, of: header) }
    header += Array(repeating: UInt8(ascii: " "), count: draws.next(below: 9)) + [10]
    let length = littleEndian(header.count &+ headerChange).prefix(version == 1 ? 2 : 4)
    let start = [0x93] + Array("NUMPY".utf8) + [version, 0] + length
    // Integers of any width, and small floating-point numbers.
    return (start + header + Array(repeating: 1, count: size), isSound)
  }

  /// Inputs and targets of a data set, one of them corrupted.
  private struct Files {
    let inputs = MemoryFile()
    let targets = MemoryFile()

    func use(_ mutant: [UInt8], asInputs: Bool) throws {
      inputs.hold(asInputs ? mutant : NPYTests.npy("|u1", [3], [1, 2, 3]))
      targets.hold(asInputs ? NPYTests.npy("|u1", [3], [0, 1, 2]) : mutant)
      try useAll(of: Dataset(name: "m", npy: [inputs.path, targets.path], split: Split()))
    }
  }
}
