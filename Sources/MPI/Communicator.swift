import COpenMPI

/// The ranks of this run and the collectives between them.
///
/// Unless said otherwise every method is collective: all ranks call it, in the same order.
public final class Communicator {
  public let rank: Int
  public let size: Int
  let handle: MPI_Comm

  /// Starts MPI, for one thread that communicates, and returns the communicator of all ranks.
  ///
  /// Without a launcher there is one rank.
  public static func start() throws -> Communicator {
    var provided: Int32 = 0
    try MPIError.check(
      "MPI_Init_thread", MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided))
    let world = mfac_comm_world()!
    try MPIError.check(
      "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(world, mfac_errors_return()))
    return try Communicator(world)
  }

  private init(_ handle: MPI_Comm) throws {
    var rank: Int32 = 0
    var size: Int32 = 0
    try MPIError.check("MPI_Comm_rank", MPI_Comm_rank(handle, &rank))
    try MPIError.check("MPI_Comm_size", MPI_Comm_size(handle, &size))
    self.rank = Int(rank)
    self.size = Int(size)
    self.handle = handle
  }

  /// Ends MPI; nothing may be communicated afterwards.
  public func finish() throws {
    try MPIError.check("MPI_Finalize", MPI_Finalize())
  }

  /// Ends every rank of the job at once. Not collective: for a rank that cannot go on.
  public func abort(status: Int32) -> Never {
    MPI_Abort(handle, status)
    fatalError("MPI_Abort returned")
  }

  /// How many of the ranks share this rank's memory.
  public func ranksOnThisNode() throws -> Int {
    var node = mfac_comm_null()
    try MPIError.check(
      "MPI_Comm_split_type",
      MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), 0, mfac_info_null(), &node))
    var size: Int32 = 0
    try MPIError.check("MPI_Comm_size", MPI_Comm_size(node, &size))
    try MPIError.check("MPI_Comm_free", MPI_Comm_free(&node))
    return Int(size)
  }

  public func barrier() throws {
    try MPIError.check("MPI_Barrier", MPI_Barrier(handle))
  }

  /// Every rank's value, in the order of the ranks.
  public func allGather(_ value: Double) throws -> [Double] {
    var gathered = [Double](repeating: 0, count: size)
    try allGather([value], counts: [Int](repeating: 1, count: size), into: &gathered)
    return gathered
  }

  /// Every rank's text, in the order of the ranks.
  public func allGather(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    let counts = try allGather(Double(bytes.count)).map { Int($0) }
    var gathered = [UInt8](repeating: 0, count: counts.reduce(0, +))
    let layout = try Layout(counts, in: "MPI_Allgatherv")
    try MPIError.check(
      "MPI_Allgatherv",
      MPI_Allgatherv(
        bytes, layout.counts[rank], mfac_byte(), &gathered, layout.counts, layout.offsets,
        mfac_byte(), handle))
    return zip(layout.offsets, layout.counts).map { offset, count in
      String(decoding: gathered[Int(offset)..<Int(offset + count)], as: UTF8.self)
    }
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
    guard size > 1 else {
      gathered = values
      return
    }
    let layout = try Layout(counts, in: "MPI_Allgatherv")
    try MPIError.check(
      "MPI_Allgatherv",
      MPI_Allgatherv(
        values, layout.counts[rank], mfac_double(), &gathered, layout.counts, layout.offsets,
        mfac_double(), handle))
  }

  /// Completes a vector of which each rank holds its own slice, in place.
  ///
  /// - Parameter slices: every rank's range; they lie one after another from 0 to the vector's end.
  public func allGather(_ vector: UnsafeMutableBufferPointer<Float>, slices: [Range<Int>]) throws {
    precondition(
      slices.count == size && slices.last!.upperBound == vector.count,
      "\(slices.count) slices up to \(slices.last!.upperBound) of a vector of \(vector.count)")
    guard size > 1 else { return }
    let layout = try Layout(slices.map(\.count), in: "MPI_Allgatherv")
    try MPIError.check(
      "MPI_Allgatherv",
      MPI_Allgatherv(
        mfac_in_place(), 0, mfac_float(), vector.baseAddress, layout.counts, layout.offsets,
        mfac_float(), handle))
  }

  /// Runs `body` on every rank; where it throws on any, throws on all, with the message of the
  /// lowest rank that failed.
  public func agree<Result>(_ body: () throws -> Result) throws -> Result {
    let outcome = Swift.Result { try body() }
    var failure = ""
    if case .failure(let error) = outcome { failure = "\(error)" }
    let failures = try allGather(failure)
    guard let rank = failures.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
    let everywhere = failures.allSatisfy { $0 == failures[rank] }
    throw AgreedError(
      rank: rank, description: everywhere ? failures[rank] : "rank \(rank): \(failures[rank])")
  }

  /// Checks that all ranks have the same text.
  ///
  /// - Parameter what: names it, for the message.
  /// - Throws: on every rank, naming the lowest rank that differs from rank 0, and both texts.
  public func requireSame(_ what: String, _ text: String) throws {
    let texts = try allGather(text)
    guard let rank = texts.firstIndex(where: { $0 != texts[0] }) else { return }
    throw AgreedError(
      rank: rank,
      description:
        "\(what) must be the same on all ranks: rank 0 has \(texts[0]), rank \(rank) has "
        + texts[rank])
  }

  /// Counts and offsets as MPI wants them.
  private struct Layout {
    var counts: [Int32] = []
    var offsets: [Int32] = []

    init(_ elements: [Int], in call: StaticString) throws {
      var offset = 0
      for count in elements {
        counts.append(try MPIError.count(count, in: call))
        offsets.append(try MPIError.count(offset, in: call))
        offset += count
      }
    }
  }
}
