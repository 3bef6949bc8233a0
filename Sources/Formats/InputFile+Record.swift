import FileRecords

extension InputFile {
  /// Of a file that is too large to be compared whole.
  private static let (sampleCount, sampleSize) = (2048, 16 << 10)

  /// What ranks compare: the digests of the file's start, and of all of it. More than 128 MiB are
  /// sampled, in 2048 pieces of 16 KiB from its first byte to its last.
  package func record() throws(InputError) -> FileRecord {
    let isSampled = count > FileRecord.largestWhole
    let size = isSampled ? Self.sampleSize : 1 << 20
    let contents = SHA256()
    for piece in 0..<(isSampled ? Self.sampleCount : (count + size - 1) / size) {
      // In floating point: the product of both may not fit.
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
