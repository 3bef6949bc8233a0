import Datasets
import Formats
import Mutations
import Support
import Testing

/// Tests files of a wrong format: readers name the format and do not read the bytes.
struct FileFormatTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Bytes like those of a compressed file or an image: not text, and without a format's signature.
  static let noise = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3 + $0 * 89) | 1 }

  static func zip(_ name: String) -> [UInt8] {
    Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 22)
      + littleEndian(UInt16(name.utf8.count)) + [0, 0] + Array(name.utf8)
  }

  static func utf16(_ text: String, bigEndian: Bool = false) -> [UInt8] {
    text.utf16.flatMap { littleEndian(bigEndian ? $0.byteSwapped : $0) }
  }

  static let table = "a,b,y\n" + (0..<40).map { "\($0),\($0 % 7),\($0 % 3)\n" }.joined()

  /// File contents with the format's name in messages.
  static let binary: [(bytes: [UInt8], name: String)] = [
    (NPYTests.npy("<u2", [500], noise), "a NumPy array (.npy)"),
    (zip("arr_0.npy") + noise, "a NumPy archive (.npz)"),
    (zip("archive/data.pkl") + noise, "a PyTorch file (.pt)"),
    (zip("[Content_Types].xml") + noise, "an Excel workbook (.xlsx)"),
    (zip("table.csv") + noise, "zip data"),
    (Array("PK\u{5}\u{6}".utf8) + [UInt8](repeating: 0, count: 18), "zip data"),
    (Array("BZh91AY&SY".utf8) + noise, "bzip2 data"),
    (Array("BZh1".utf8) + [0x17, 0x72, 0x45, 0x38, 0x50, 0x90, 0, 0, 0, 0], "bzip2 data"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0] + noise, "xz data"),
    ([0x5D, 0, 0, 0x80, 0] + [UInt8](repeating: 0xFF, count: 8) + noise, "lzma data"),
    ([0x28, 0xB5, 0x2F, 0xFD] + noise, "zstd data"),
    ([0x04, 0x22, 0x4D, 0x18] + noise, "lz4 data"),
    ([0x1F, 0x9D, 0x90] + noise, "compress data (.Z)"),
    ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C] + noise, "7z data"),
    (noise.prefix(257) + Array("ustar".utf8) + noise, "a tar archive"),
    (safetensorsBytes("{\"t\":{}}", dataSize: 99), "a safetensors file"),
    ([0x80, 4, 0x95, 200, 3, 0, 0, 0, 0, 0, 0] + noise, "a Python pickle"),
    ([0x80, 2, 0x7D, 0x71, 1] + noise, "a Python pickle"),
    (Array("(dp0\nS'data'\np1\n".utf8), "a Python pickle"),
    (Array("}q\0(U".utf8) + noise, "a Python pickle"),
    (Array("PAR1".utf8) + [0x15, 4] + noise, "a Parquet file"),
    (Array("ARROW1\0\0".utf8) + noise, "an Arrow file"),
    ([0x89] + Array("HDF\r\n\u{1A}\n".utf8) + noise, "an HDF5 file"),
    (Array("SQLite format 3\0".utf8) + noise, "an SQLite database"),
    (Array("MATLAB 5.0 MAT-file, Platform: GLNXA64".utf8) + noise, "a MATLAB file (.mat)"),
    ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1] + noise, "an Excel workbook (.xls)"),
    ([0x89] + Array("PNG\r\n\u{1A}\n".utf8) + noise, "a PNG image"),
    ([0xFF, 0xD8, 0xFF, 0xE0] + noise, "a JPEG image"),
    (Array("GIF89a".utf8) + noise, "a GIF image"),
    (Array("II*\0".utf8) + noise, "a TIFF image"),
    (Array("BM".utf8) + littleEndian(UInt32(1006)) + noise, "a BMP image"),
    (Array("RIFF".utf8) + noise.prefix(4) + Array("WEBP".utf8) + noise, "a WebP image"),
    (Array("%PDF-1.7\n".utf8) + noise, "a PDF document"),
    (
      littleEndian(UInt32(20_240_520)) + littleEndian(UInt32(1)) + noise,
      "llm.c tokens after a header of 1024 bytes"
    ),
    (Array("MMIDIDX\0\0".utf8) + noise, "a Megatron index, not the tokens"),
    (
      Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".utf8),
      "a Git LFS pointer, not the file itself"
    ),
  ]

  static let idx = (bytes: idxBytes(shape: [10, 10, 10], values: noise), name: "an IDX file")
  static let page = (bytes: Array("\n<!DOCTYPE html><html>404".utf8), name: "an HTML page")
  static let encoded: [(bytes: [UInt8], name: String)] = [
    ([0xFF, 0xFE] + utf16(table), "UTF-16 text"),
    ([0xFE, 0xFF] + utf16(table, bigEndian: true), "UTF-16 text"),
    (utf16(table), "UTF-16 text"), (utf16(table, bigEndian: true), "UTF-16 text"),
    // The upper byte of these letters is not zero; that of a space is.
    (utf16("Все счастливые семьи похожи друг на друга, каждая несчастливая семья"), "UTF-16 text"),
    ([0xFF, 0xFE, 0, 0] + table.unicodeScalars.flatMap { littleEndian($0.value) }, "UTF-32 text"),
  ]

  func message(_ bytes: [UInt8], _ read: (String) throws -> Void) throws -> String? {
    let path = try directory.write(bytes, to: "F")
    return refusal { try read(path) }
  }

  func expectNamed(
    _ files: [(bytes: [UInt8], name: String)], except local: [String] = [],
    by read: (String) throws -> Void
  ) throws {
    for (bytes, name) in files where !local.contains(name) {
      let said = try message(bytes, read) ?? "nothing"
      #expect(said.hasPrefix("\(directory.root)/F: is \(name): expected "), "\(name): \(said)")
    }
  }

  @Test("token readers name other formats") func tokenFiles() throws {
    try expectNamed(
      Self.binary + [Self.idx, Self.page, (Array(Self.table.utf8), "text")],
      except: ["a NumPy array (.npy)"]
    ) { path in
      _ = try Dataset(
        name: "t", tokens: path, vocabulary: 65536, contextLength: 4, testFraction: 0.5)
    }
    try expectNamed([(gzipped(Self.noise), "gzip data")]) { path in
      _ = try Dataset(
        name: "t", tokens: path, type: .int64, vocabulary: 65536, contextLength: 4,
        testFraction: 0.5)
    }
  }

  @Test("text readers name other formats") func textFiles() throws {
    let files = Self.binary + [Self.idx] + Self.encoded
    try expectNamed(files) { path in
      _ = try Dataset(name: "t", text: path, contextLength: 4, testFraction: 0.5)
    }
    // The same files inside gzip data; sizes are then those of the inflated data.
    try expectNamed(files.map { (gzipped($0.bytes), $0.name) }) { path in
      _ = try Dataset(name: "t", text: path, contextLength: 4, testFraction: 0.5)
    }
    // An HTML page is accepted as text.
    let page = Self.page.bytes + Array(Self.table.utf8)
    #expect(
      try message(page) { path in
        _ = try Dataset(name: "t", text: path, contextLength: 4, testFraction: 0.5)
      } == nil)
  }

  @Test("table readers name other formats") func tableFiles() throws {
    try expectNamed(Self.binary + [Self.idx, Self.page] + Self.encoded) { path in
      _ = try DatasetSource("csv:\(path)").load()
    }
  }

  @Test("settings readers name other formats") func settingsFiles() throws {
    try expectNamed(
      Self.binary + [Self.idx, Self.page, (gzipped(Self.noise), "gzip data")] + Self.encoded
    ) { path in _ = try TextFile.read(path) }
  }

  @Test("readers of binary formats name other formats") func binaryFormats() throws {
    let others = Self.binary + [Self.page, (Array(Self.table.utf8), "text")]
    let packed = (bytes: gzipped(Self.noise), name: "gzip data")
    try expectNamed(others + [Self.idx, packed], except: ["a NumPy array (.npy)"]) { path in
      _ = try DatasetSource("npy:\(path),\(path)").load()
    }
    // The first two bytes of these are zero, as in an IDX file, or a length.
    try expectNamed(others) { path in _ = try IDXArray(path: path, rank: 3) }
    try expectNamed(others + [Self.idx, packed], except: ["a safetensors file"]) { path in
      _ = try SafetensorsFile(path: path)
    }
  }

  @Test("the CIFAR-10 reader names other formats") func cifar10Files() throws {
    for name in CIFAR10Tests.names {
      try directory.write([UInt8](repeating: 7, count: 3073), to: name)
    }
    let path = "\(directory.root)/data_batch_2.bin"
    for (bytes, name) in Self.binary + [Self.page, (gzipped(Self.noise), "gzip data")] {
      // The file is padded to three records.
      let padding = [UInt8](repeating: 9, count: 3 * 3073 - bytes.count)
      try directory.write(bytes + (name == "a BMP image" ? [] : padding), to: "data_batch_2.bin")
      let said = refusal { _ = try DatasetSource("cifar10:\(directory.root)").load() }
      #expect(said?.hasPrefix("\(path): is \(name): expected ") == true, "\(said ?? "nothing")")
    }
  }

  @Test("messages name the command that helps") func remedyCommands() throws {
    let path = "\(directory.root)/F"
    for (bytes, command) in [
      (Array("BZh91AY&SY".utf8) + Self.noise, "bunzip2 -k \(path)"),
      (Self.zip("t.csv") + Self.noise, "unzip \(path)"),
      (Self.utf16(Self.table), "iconv -f UTF-16 -t UTF-8 < \(path) > NEW"),
    ] {
      let said = try message(bytes) { _ = try DatasetSource("csv:\($0)").load() }
      #expect(said?.hasSuffix("; to get it: \(command)") == true, "\(said ?? "nothing")")
    }
  }

  /// Words and numbers may begin like the signature of a format.
  @Test("data that begin like another format are read") func ambiguousStarts() throws {
    for name in ["PAR1", "BZh9", "BM", "Rar!", "GIF", "RIFF", "PK", "MM", "II", "ustar"] {
      let text = Self.table.replacing("a,b,y", with: "\(name),b,y")
      let path = try directory.write(Array(text.utf8), to: "t.csv")
      #expect(try DatasetSource("csv:\(path)").load().columns?.features.first?.name == name)
      let dataset = try Dataset(name: "t", text: path, contextLength: 4, testFraction: 0.5)
      #expect(dataset.training.bytes + dataset.test.bytes == Array(text.utf8))
    }
    // First tokens equal to a signature's first bytes, and a second token like a gzip header.
    for first in [0x8B1F, 0x0480, 0x0280, 0xFEFF, 0xFFFE, 0x4B50, 0x5A42, 0, 0xD8FF] as [UInt16] {
      let tokens = [first] + (0..<200).map { UInt16(truncatingIfNeeded: $0 * 257 + 3000) }
      let path = try directory.write(tokens.flatMap { littleEndian($0) }, to: "t")
      let dataset = try Dataset(
        name: "t", tokens: path, vocabulary: 65536, contextLength: 4, testFraction: 0.5)
      #expect(dataset.training.inputs([0])[0] == Float(first))
    }
  }
}
