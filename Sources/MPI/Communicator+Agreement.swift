import COpenMPI
import FileRecords

extension Communicator {
  /// Returns every rank's value, in the order of the ranks.
  public func allGather(_ value: Double) throws -> [Double] {
    var gathered = [Double](repeating: 0, count: size)
    try allGather([value], counts: [Int](repeating: 1, count: size), into: &gathered)
    return gathered
  }

  /// Returns every rank's text, in the order of the ranks.
  public func allGather(_ text: String) throws -> [String] {
    try begin("all-gather of texts")
    let bytes = Array(text.utf8)
    let counts = try allGather(Double(bytes.count)).map { Int($0) }
    var gathered = try gather(bytes, counts: counts)[...]
    return counts.map { count in
      defer { gathered = gathered.dropFirst(count) }
      return String(decoding: gathered.prefix(count), as: UTF8.self)
    }
  }

  /// Concatenates `counts[r]` bytes from each rank r.
  public func allGather(_ bytes: [UInt8], counts: [Int]) throws -> [UInt8] {
    precondition(
      bytes.count == counts[rank], "rank \(rank) gave \(bytes.count) of \(counts[rank]) bytes")
    try begin("all-gather of bytes", size: counts.reduce(0, +))
    return try gather(bytes, counts: counts)
  }

  func gather(_ bytes: [UInt8], counts: [Int]) throws -> [UInt8] {
    var gathered = [UInt8](repeating: 0, count: counts.reduce(0, +))
    let layout = try Layout(counts)
    try gathered.withUnsafeMutableBytes {
      try allGather(bytes, $0.baseAddress, layout, mfac_byte())
    }
    return gathered
  }

  /// Concatenates `counts[r]` numbers from each rank r.
  ///
  /// - Parameters:
  ///   - values: this rank's part, `counts[rank]` numbers.
  ///   - gathered: the sum of `counts` numbers.
  public func allGather(_ values: [Double], counts: [Int], into gathered: inout [Double]) throws {
    precondition(
      values.count == counts[rank] && gathered.count == counts.reduce(0, +),
      "rank \(rank) gave \(values.count) of \(counts) numbers to gather in \(gathered.count)")
    try begin("all-gather of numbers", size: gathered.count)
    guard size > 1 else {
      gathered = values
      return
    }
    let layout = try Layout(counts)
    try gathered.withUnsafeMutableBytes {
      try allGather(values, $0.baseAddress, layout, mfac_double())
    }
  }

  /// Runs `body` on every rank. If it throws on any rank, throws on all ranks, with the message of
  /// the lowest rank that failed.
  ///
  /// It also compares the files that ranks have opened for reading so far, and throws on all ranks
  /// if files with the same name differ.
  public func agree<Result>(_ body: () throws -> Result) throws -> Result {
    let outcome = Swift.Result { try body() }
    var failure: Diagnostic?
    if case .failure(let error) = outcome { failure = "\(error)" }
    try begin("agreement")
    guard size > 1 else {
      if let failure { throw AgreedError(rank: 0, diagnostic: failure) }
      return try outcome.get()
    }
    let words = try allGather(Word(failure: failure, files: OpenedFiles.take()).text)
      .map(Word.init(text:))
    let difference = files.add(words.map(\.files))
    let failures = words.map(\.failure)
    let everywhere = failures.allSatisfy { $0 == failures[0] }
    if let difference, !everywhere || failures[0] == nil {
      throw AgreedError(rank: difference.rank, diagnostic: "\(difference.difference)")
    }
    guard let rank = failures.firstIndex(where: { $0 != nil }) else { return try outcome.get() }
    throw AgreedError(
      rank: rank,
      diagnostic: everywhere ? failures[rank]! : "rank \(rank): \(failures[rank]!)")
  }

  /// Holds a rank's contribution to an agreement; its text is empty if the rank has neither failed
  /// nor opened a file.
  private struct Word {
    var failure: Diagnostic?
    var files: [FileRecord]

    var text: String {
      files.map { "\($0)\n" }.joined() + (failure.map { "\0\($0.encoded)" } ?? "")
    }

    init(failure: Diagnostic?, files: [FileRecord]) {
      (self.failure, self.files) = (failure, files)
    }

    init(text: String) {
      // A path contains no zero byte.
      let parts = text.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
      files = parts[0].split(separator: "\n").compactMap { FileRecord(line: $0) }
      failure = parts.count > 1 ? Diagnostic(encoded: String(parts[1])) : nil
    }
  }

  /// Returns a rank's traffic for an agreement in which no rank has failed or opened a file.
  package static func agreementTraffic(ranks: Int) -> Traffic {
    .allGather(bytes: 8, ranks: ranks) + .allGather(bytes: 0, ranks: ranks)
  }

  /// Checks that all ranks have the same text.
  ///
  /// - Parameter what: names the text in the message.
  /// - Throws: on every rank. The message names the lowest rank that differs from rank 0, and the
  ///   first line that differs.
  public func requireSame(_ what: String, _ text: String) throws {
    try begin("comparison")
    let texts = try allGather(text)
    guard let rank = texts.firstIndex(where: { $0 != texts[0] }) else { return }
    let lines = [texts[0], texts[rank]].map { $0.split(separator: "\n") }
    let same = zip(lines[0], lines[1]).prefix { $0 == $1 }.count
    let differing = lines.map { same < $0.count ? "'\($0[same])'" : "no further line" }
    throw AgreedError(
      rank: rank,
      diagnostic:
        "\(what) must be the same on all ranks: rank 0 has \(differing[0]), rank \(rank) "
        + "has \(differing[1])")
  }

  private func allGather(
    _ local: UnsafeRawPointer?, _ gathered: UnsafeMutableRawPointer?, _ layout: Layout,
    _ type: MPI_Datatype?
  ) throws {
    var width: Int32 = 0
    try MPIError.check("MPI_Type_size", MPI_Type_size(type, &width))
    traffic += .allGather(bytes: Int(layout.counts[rank]) * Int(width), ranks: size)
    // MPI reads the counts and offsets until the exchange completes.
    try layout.counts.withUnsafeBufferPointer { counts in
      try layout.offsets.withUnsafeBufferPointer { offsets in
        var requests: [MPI_Request?] = [mfac_request_null()]
        try MPIError.check(
          "MPI_Iallgatherv",
          MPI_Iallgatherv(
            local, counts[rank], type, gathered, counts.baseAddress, offsets.baseAddress, type,
            handle, &requests[0]))
        try wait(for: &requests)
      }
    }
  }

  /// Holds counts and offsets as the 32-bit integers that MPI requires.
  private struct Layout {
    var counts: [Int32] = []
    var offsets: [Int32] = []

    init(_ elements: [Int]) throws {
      var offset = 0
      for count in elements {
        counts.append(try MPIError.count(count, in: "MPI_Iallgatherv"))
        offsets.append(try MPIError.count(offset, in: "MPI_Iallgatherv"))
        offset += count
      }
    }
  }
}
