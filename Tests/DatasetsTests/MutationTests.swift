import Datasets
import Foundation
import Testing

/// Spoiled files: each is read right or refused in words, without a trap, a hang or memory that
/// only the file's promises ask for.
struct MutationTests {
  @Test func spoiledIDXFiles() throws {
    let values = (0..<60).map { UInt8($0) }
    let plain = idxBytes(shape: [3, 4, 5], values: values)
    let images = try contents(of: "\(digitsDirectory)/t10k-images-idx3-ubyte.gz")
    let originals = [(plain, 60_000), (gzipped(plain), 30_000), (images, 10_000)]
    for (original, count) in originals {
      let mutator = Mutator(seed: UInt64(count))
      let tally = try tally(count) { number in
        let array = try IDXArray(bytes: mutator.mutant(number, of: original), file: "f", rank: 3)
        #expect(array.shape.count == 3)
        #expect(array.shape.reduce(1, *) == array.values.count)
      }
      // Changed pixels are none of the format's business; a check sum sees them.
      #expect(tally.accepted > (original == plain ? count / 20 : 0))
      #expect(tally.refused > count / 2)
    }
  }

  @Test func spoiledSafetensorsFiles() throws {
    // A file in memory: disks take milliseconds for each.
    let name = "/datasets-tests-\(getpid())"
    let memory = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    try #require(memory >= 0)
    shm_unlink(name)
    defer { close(memory) }
    let original = Array(try #require(Data(base64Encoded: SafetensorsReadTests.fromPython)))
    let tokens = [
      "\"", "{", "}", "[", "]", ":", ",", "\\", " ", "0", "-", "1e9", "null", "\\ud83d", "\\ude00",
      "\\u0061", "\"n\"", "\"dtype\"", "\"shape\"", "\"F32\"", "\"BF16\"", "[0,8]", "[]",
      "9223372036854775807", "18446744073709551616", "4294967296,", "\"__metadata__\":{},",
      "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]},", "\u{e9}",
    ]
    let mutator = Mutator(tokens: tokens.map { Array($0.utf8) }, seed: 3)
    let count = 40_000
    let tally = try tally(count) { number in
      var bytes = mutator.mutant(number, of: original)
      // Half of them with a header length that fits again, or the parser would see few.
      if number % 2 == 0, bytes.count > original.count / 2 {
        let size = max(bytes.count - 8 - (original.count - 264), 0)
        bytes.replaceSubrange(0..<8, with: littleEndian(UInt64(size)))
      }
      #expect(pwrite(memory, bytes, bytes.count, 0) == bytes.count)
      #expect(ftruncate(memory, bytes.count) == 0)
      let file = try SafetensorsFile(path: "/proc/self/fd/\(memory)")
      var end = 0
      for tensor in file.tensors {
        #expect(tensor.range.lowerBound == end)
        end = tensor.range.upperBound
        #expect(tensor.shape.reduce(tensor.dtype.byteCount, *) == tensor.range.count)
        if [.float16, .bfloat16, .float32, .float64].contains(tensor.dtype) {
          #expect(try file.doubles(tensor.name).count == tensor.count)
        }
      }
      #expect(end < bytes.count)
    }
    #expect(tally.accepted > count / 50)
    #expect(tally.refused > count / 2)
  }

  /// Runs numbered cases; any error but a `DatasetError` ends them.
  func tally(
    _ count: Int, _ body: (Int) throws -> Void
  ) rethrows -> (accepted: Int, refused: Int) {
    var tally = (accepted: 0, refused: 0)
    for number in 0..<count {
      do {
        try body(number)
        tally.accepted += 1
      } catch is DatasetError {
        tally.refused += 1
      }
    }
    return tally
  }

  @Test func promisesAreNotAllocated() async {
    await #expect(processExitsWith: .success) {
      // 256 MB more than the process has now; each file below promises gigabytes.
      let pages = try #require(
        String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first)
      let size = try #require(UInt(pages)) * UInt(getpagesize()) + 256 << 20
      var limit = rlimit(rlim_cur: size, rlim_max: size)
      #expect(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      #expect(malloc(1 << 30) == nil)

      let idx = idxBytes(shape: [0xffff_ffff, 28, 28], values: Array(repeating: 7, count: 100_000))
      for file in [idx, gzipped(idx)] {
        #expect(
          refusal { _ = try IDXArray(bytes: file, file: "f", rank: 3) }
            == "f: too short: expected 3367254359280 bytes after its header, got 100000"
        )
      }
      let directory = try TemporaryDirectory()
      let header =
        #"{"t":{"dtype":"F32","shape":[1099511627776],"#
        + #""data_offsets":[0,4398046511104]}}"#
      let path = try directory.write(safetensorsBytes(header, dataSize: 4), to: "f")
      #expect(
        refusal { _ = try SafetensorsFile(path: path) }
          == "\(path): the data end early: expected 4398046511104 bytes after the header, got 4")
    }
  }
}
