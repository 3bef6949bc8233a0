import Formats
import Support
import Testing

@Suite struct TextFileTests {
  @Test("UTF-8 text is read, with or without a byte-order mark") func utf8() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write(Array("λ: 1\n".utf8), to: "text")
    #expect(try TextFile.read(path) == "λ: 1\n")
    let marked = try directory.write([0xEF, 0xBB, 0xBF] + Array("λ: 1\n".utf8), to: "marked")
    #expect(try TextFile.read(marked) == "λ: 1\n")
  }

  @Test("files that cannot be settings are refused") func refusedFiles() throws {
    let directory = try TemporaryDirectory()
    let large = try directory.write(
      [UInt8](repeating: 32, count: TextFile.largest + 1), to: "large")
    let binary = try directory.write([0xFF, 0xC0], to: "binary")
    for (path, problem) in [
      (large, "at most 1048576 bytes"), (binary, "is not UTF-8"),
      ("/dev/zero", "not a regular file"),
      ("/nowhere/settings", "cannot open"), (directory.root, "is a directory"),
    ] {
      let error = #expect(throws: InputError.self) { try TextFile.read(path) }
      #expect(error?.description.hasPrefix("\(path): ") == true)
      #expect(error?.description.contains(problem) == true)
    }
  }
}
