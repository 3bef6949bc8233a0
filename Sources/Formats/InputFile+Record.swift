import FileRecords

extension InputFile {
  /// Number and size in bytes of the samples from a large file.
  private static let (sampleCount, sampleSize) = (2048, 16 << 10)

  /// Returns the digests that ranks compare: of the file's start, and of the whole file. Above 128
  /// MiB the second one covers 2048 samples of 16 KiB, from the first byte to the last.
  package func record() throws(InputError) -> FileRecord {
    let isSampled = count > FileRecord.largestWhole
    let size = isSampled ? Self.sampleSize : 1 << 20
    let contents = SHA256()
    for piece in 0..<(isSampled ? Self.sampleCount : (count + size - 1) / size) {
      // The integer product could overflow.
      let share = Double(piece) / Double(Self.sampleCount - 1)
      let offset = isSampled ? Int(Double(count - size) * share) : piece * size
      contents.add(try read(offset..<min(offset + size, count)))
    }
    let start = SHA256()
    start.add(try read(0..<min(FileRecord.startCount, count)))
    return FileRecord(
      path: path, size: count, start: start.finish(), contents: contents.finish())
  }
}

extension SHA256 {
  fileprivate func add(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { add($0) }
  }
}
