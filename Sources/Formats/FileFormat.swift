/// Identifies a file's format by its first bytes. It covers data formats and files that users
/// confuse with them.
///
/// A reader whose format has no mark (tokens, tables, texts) refuses a file with another format's
/// mark. A reader of a marked format names the format that it found instead.
package enum FileFormat: Equatable, CaseIterable {
  case numpy, numpyArchive, safetensors, idx, llmC, megatronIndex
  case torch, pickle, hdf5, parquet, arrow, sqlite, matlab, excel, oldExcel
  case gzip, zip, bzip2, xz, lzma, zstandard, lz4, compress, sevenZip, rar, tar
  case png, jpeg, gif, bmp, tiff, webP, pdf
  case utf16, utf32, html, gitLFS, text

  /// Number of leading bytes to inspect, of a file or of its inflated data.
  static let startSize = 512

  /// Selects the content that a reader expects in a file without a mark.
  package enum Content { case text, numbers }

  /// The name in messages, after "is".
  var name: String {
    switch self {
    case .numpy: "a NumPy array (.npy)"
    case .numpyArchive: "a NumPy archive (.npz)"
    case .safetensors: "a safetensors file"
    case .idx: "an IDX file"
    case .llmC: "llm.c tokens after a header of 1024 bytes"
    case .megatronIndex: "a Megatron index, not the tokens"
    case .torch: "a PyTorch file (.pt)"
    case .pickle: "a Python pickle"
    case .hdf5: "an HDF5 file"
    case .parquet: "a Parquet file"
    case .arrow: "an Arrow file"
    case .sqlite: "an SQLite database"
    case .matlab: "a MATLAB file (.mat)"
    case .excel: "an Excel workbook (.xlsx)"
    case .oldExcel: "an Excel workbook (.xls)"
    case .gzip: "gzip data"
    case .zip: "zip data"
    case .bzip2: "bzip2 data"
    case .xz: "xz data"
    case .lzma: "lzma data"
    case .zstandard: "zstd data"
    case .lz4: "lz4 data"
    case .compress: "compress data (.Z)"
    case .sevenZip: "7z data"
    case .rar: "rar data"
    case .tar: "a tar archive"
    case .png: "a PNG image"
    case .jpeg: "a JPEG image"
    case .gif: "a GIF image"
    case .bmp: "a BMP image"
    case .tiff: "a TIFF image"
    case .webP: "a WebP image"
    case .pdf: "a PDF document"
    case .utf16: "UTF-16 text"
    case .utf32: "UTF-32 text"
    case .html: "an HTML page"
    case .gitLFS: "a Git LFS pointer, not the file itself"
    case .text: "text"
    }
  }

  /// Returns the command that converts the file to the expected format, if there is one.
  private func command(for path: String) -> String? {
    let path = path.contains(" ") ? "'\(path)'" : path
    return switch self {
    case .gzip, .compress: "gunzip -k \(path)"
    case .zip: "unzip \(path)"
    case .bzip2: "bunzip2 -k \(path)"
    case .xz, .lzma: "unxz -k \(path)"
    case .zstandard: "unzstd \(path)"
    case .lz4: "unlz4 \(path)"
    case .sevenZip: "7z x \(path)"
    case .rar: "unrar x \(path)"
    case .tar: "tar xf \(path)"
    case .llmC: "tail -c +1025 \(path) > NEW"
    case .utf16: Self.filter(path, through: "iconv -f UTF-16 -t UTF-8")
    case .utf32: Self.filter(path, through: "iconv -f UTF-32 -t UTF-8")
    case .gitLFS: "git lfs pull"
    default: nil
    }
  }

  /// Returns the command that pipes a file, compressed or not, through a filter.
  static func filter(_ path: String, through filter: String) -> String {
    path.hasSuffix(".gz") ? "zcat \(path) | \(filter) > NEW" : "\(filter) < \(path) > NEW"
  }

  /// Returns the error for a file of this format.
  ///
  /// - Parameter expected: the expected format.
  package func refusal(of path: String, expected: Diagnostic) -> InputError {
    let remedy = command(for: path).map { "; to get it: \($0)" } ?? ""
    return InputError(path, "is \(name)", expected: "\(expected)\(remedy)")
  }

  /// Throws if the bytes have the mark of a format.
  ///
  /// - Parameters:
  ///   - bytes: at least the first `startSize` bytes.
  ///   - size: total number of bytes.
  ///   - content: the expected content.
  ///   - expected: the expected content in words.
  package static func refuse(
    _ bytes: some Collection<UInt8>, size: Int, of path: String, for content: Content,
    expected: String
  ) throws(InputError) {
    if let format = FileFormat(bytes, size: size, for: content) {
      throw format.refusal(of: path, expected: "\(expected)")
    }
  }
}

extension InputFile {
  /// Reads the first bytes, which identify a format.
  package func start() throws(InputError) -> [UInt8] {
    try read(0..<min(count, FileFormat.startSize))
  }
}

extension FileFormat {
  /// Identifies the format by its mark; nil without a mark.
  ///
  /// A mark that is short or could be the start of a text counts only together with the bytes after
  /// it. Text encodings are checked if text is expected, and text if numbers are expected.
  package init?(_ bytes: some Collection<UInt8>, size: Int, for content: Content) {
    let start = Start(bytes: Array(bytes.prefix(Self.startSize)), size: size)
    guard let format = start.marked ?? (content == .text ? start.encoding : start.plainText) else {
      return nil
    }
    self = format
  }
}

/// Holds the first bytes of a file, and its size.
private struct Start {
  package let bytes: [UInt8]
  let size: Int

  private func has(_ mark: [UInt8], at offset: Int = 0) -> Bool {
    bytes.dropFirst(offset).starts(with: mark)
  }

  private func says(_ text: String, at offset: Int = 0) -> Bool {
    has(Array(text.utf8), at: offset)
  }

  /// The byte at an offset; 0 beyond the end.
  private subscript(offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

  /// Returns a little-endian number.
  private func number(at offset: Int, bytes count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(self[offset + $1]) << (8 * UInt64($1)) }
  }

  private func isText(_ byte: UInt8) -> Bool {
    (0x20..<0x7F).contains(byte) || (0x09...0x0D).contains(byte)
  }

  /// The format whose mark the bytes have.
  var marked: FileFormat? {
    if let (_, format) = Self.marks.first(where: { has($0.mark) }) {
      return format == .zip ? zipped : format
    }
    if says("BZh"), says("1AY&SY", at: 4) || has([0x17, 0x72, 0x45, 0x38, 0x50, 0x90], at: 4) {
      return .bzip2
    }
    if has([0x5D, 0, 0]), has(Array(repeating: 0xFF, count: 8), at: 5) { return .lzma }
    if says("ustar", at: 257) { return .tar }
    if says("PAR1"), !isText(self[4]) { return .parquet }
    if says("RIFF"), says("WEBP", at: 8) { return .webP }
    if says("BM"), number(at: 2, bytes: 4) == UInt64(size) { return .bmp }
    if isSafetensors { return .safetensors }
    if isIDX { return .idx }
    if isPickle { return .pickle }
    // llm.c has two 32-bit numbers: 20240520 and version 1, or 20240801 and version 7.
    if has([0x88, 0xD8, 0x34, 0x01]) || has([0xA1, 0xD9, 0x34, 0x01]), number(at: 4, bytes: 4) < 16
    {
      return .llmC
    }
    if says("version https://git-lfs.github.com/spec/") { return .gitLFS }
    let text = String(decoding: bytes.prefix(64), as: UTF8.self).lowercased()
      .drop { $0.isWhitespace || $0 == "\u{FEFF}" }
    return text.hasPrefix("<!doctype html") || text.hasPrefix("<html") ? .html : nil
  }

  private static let marks: [(mark: [UInt8], FileFormat)] = [
    (NPYHeader.magic, .numpy),
    (GzipReader.magic + [8], .gzip),
    (Array("PK\u{3}\u{4}".utf8), .zip), (Array("PK\u{5}\u{6}".utf8), .zip),
    ([0xFD] + Array("7zXZ\0".utf8), .xz),
    ([0x28, 0xB5, 0x2F, 0xFD], .zstandard),
    ([0x04, 0x22, 0x4D, 0x18], .lz4),
    ([0x1F, 0x9D, 0x90], .compress),
    ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], .sevenZip),
    (Array("Rar!\u{1A}\u{7}".utf8), .rar),
    // Pickle protocol 0, the default of Python 2, and protocol 1.
    (Array("(dp0\n".utf8), .pickle), (Array("(lp0\n".utf8), .pickle),
    (Array("(dp1\n".utf8), .pickle), (Array("(lp1\n".utf8), .pickle),
    (Array("}q\0".utf8), .pickle), (Array("]q\0".utf8), .pickle),
    ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), .hdf5),
    (Array("ARROW1\0\0".utf8), .arrow),
    (Array("SQLite format 3\0".utf8), .sqlite),
    (Array("MATLAB 5.0 MAT-file".utf8), .matlab), (Array("MATLAB 7.3 MAT-file".utf8), .matlab),
    ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], .oldExcel),
    (Array("MMIDIDX\0\0".utf8), .megatronIndex),
    ([0x89] + Array("PNG\r\n\u{1A}\n".utf8), .png),
    ([0xFF, 0xD8, 0xFF], .jpeg),
    (Array("GIF87a".utf8), .gif), (Array("GIF89a".utf8), .gif),
    (Array("II*\0".utf8), .tiff), (Array("MM\0*".utf8), .tiff),
    (Array("%PDF-".utf8), .pdf),
  ]

  /// The format of a zip archive, by the name of its first file.
  private var zipped: FileFormat {
    let name = bytes.dropFirst(30).prefix(Int(number(at: 26, bytes: 2)))
    let text = String(decoding: name, as: UTF8.self)
    if text.hasSuffix(".npy") { return .numpyArchive }
    if text.hasSuffix("/data.pkl") { return .torch }
    return text == "[Content_Types].xml" || text.hasPrefix("xl/") ? .excel : .zip
  }

  /// True for a plausible header length and the beginning of a JSON header.
  private var isSafetensors: Bool {
    let header = number(at: 0, bytes: 8)
    return header >= 2 && header <= UInt64(max(0, size - 8)) && says("{\"", at: 8)
  }

  /// True if the file size confirms the type and dimensions.
  private var isIDX: Bool {
    let sizes: [UInt8: Int] = [8: 1, 9: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8]
    guard self[0] == 0, self[1] == 0, let element = sizes[self[2]], (1...4).contains(self[3]) else {
      return false
    }
    let offsets = (0..<Int(self[3])).map { 4 + 4 * $0 }
    let shape = offsets.map { offset in (0..<4).reduce(0) { $0 << 8 | Int(self[offset + $1]) } }
    return product(shape + [element]) == size - offsets.count * 4 - 4
  }

  /// True for a protocol number with a frame or one of the most common first operations.
  private var isPickle: Bool {
    guard self[0] == 0x80 else { return false }
    switch self[1] {
    case 4, 5: return self[2] == 0x95 && number(at: 3, bytes: 8) <= UInt64(size)
    case 2, 3: return [0x7D, 0x5D, 0x28, 0x63, 0x58, 0x8A].contains(self[2])
    default: return false
    }
  }

  /// An encoding in which ASCII contains zeros: by its byte order mark, or by zeros only at even or
  /// only at odd positions.
  var encoding: FileFormat? {
    if has([0xFF, 0xFE, 0, 0]) || has([0, 0, 0xFE, 0xFF]) { return .utf32 }
    if has([0xFF, 0xFE]) || has([0xFE, 0xFF]) { return .utf16 }
    let zeros = bytes.indices.filter { bytes[$0] == 0 }
    let odd = zeros.count { $0 % 2 == 1 }
    guard zeros.count >= 4, odd == 0 || odd == zeros.count else { return nil }
    return zeros.count * 20 >= bytes.count ? .utf16 : nil
  }

  /// Text; numbers would not consist of text characters by chance.
  var plainText: FileFormat? {
    bytes.count >= 32 && bytes.allSatisfy(isText) ? .text : nil
  }
}
