import COpenMPI
import Glibc

/// The ranks of this run and the collectives between them.
///
/// Unless said otherwise every method is collective: all ranks call it, in the same order.
public final class Communicator {
  public let rank: Int
  public let size: Int
  /// Ranks that share this rank's memory.
  public let ranksOnThisNode: Int
  /// What this rank has sent since the start.
  public private(set) var traffic = Traffic()
  let handle: MPI_Comm
  private var tags = 0
  /// Whether ranks share cores, so that one that waits had better leave its core to the others.
  public let sharesCores: Bool

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
    let node = try Self.node(handle)
    ranksOnThisNode = node.ranks
    sharesCores = node.ranks > node.cores
  }

  /// Ends MPI; nothing may be communicated afterwards.
  public func finish() throws {
    try MPIError.check("MPI_Finalize", MPI_Finalize())
  }

  /// Ends every rank of the job at once. Not collective: for a rank that cannot go on.
  public func abort(status: Int32) -> Never {
    // It ends the process without that.
    fflush(nil)
    MPI_Abort(handle, status)
    fatalError("MPI_Abort returned")
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
    let layout = try Layout(counts)
    try gathered.withUnsafeMutableBytes {
      try allGather(bytes, $0.baseAddress, layout, mfac_byte())
    }
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
    let layout = try Layout(counts)
    try gathered.withUnsafeMutableBytes {
      try allGather(values, $0.baseAddress, layout, mfac_double())
    }
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
  /// - Throws: on every rank, naming the lowest rank that differs from rank 0, and the first line in
  ///   which it does.
  public func requireSame(_ what: String, _ text: String) throws {
    let texts = try allGather(text)
    guard let rank = texts.firstIndex(where: { $0 != texts[0] }) else { return }
    let lines = [texts[0], texts[rank]].map { $0.split(separator: "\n") }
    let same = zip(lines[0], lines[1]).prefix { $0 == $1 }.count
    let differing = lines.map { same < $0.count ? "'\($0[same])'" : "no more" }
    throw AgreedError(
      rank: rank,
      description:
        "\(what) must be the same on all ranks: rank 0 has \(differing[0]), rank \(rank) "
        + "has \(differing[1])")
  }

  private func allGather(
    _ own: UnsafeRawPointer?, _ gathered: UnsafeMutableRawPointer?, _ layout: Layout,
    _ type: MPI_Datatype?
  ) throws {
    var width: Int32 = 0
    try MPIError.check("MPI_Type_size", MPI_Type_size(type, &width))
    traffic += .allGather(bytes: Int(layout.counts[rank]) * Int(width), ranks: size)
    // MPI reads the counts and offsets until the exchange is complete.
    try layout.counts.withUnsafeBufferPointer { counts in
      try layout.offsets.withUnsafeBufferPointer { offsets in
        var requests: [MPI_Request?] = [mfac_request_null()]
        try MPIError.check(
          "MPI_Iallgatherv",
          MPI_Iallgatherv(
            own, counts[rank], type, gathered, counts.baseAddress, offsets.baseAddress, type,
            handle, &requests[0]))
        try wait(for: &requests)
      }
    }
  }

  /// A tag for the messages of an exchange that others may run beside; the ranks ask for them in the
  /// same order. 0 is for exchanges that nothing runs beside.
  func newTag() -> Int {
    tags += 1
    return tags
  }

  /// Starts to send to `rank`; the bytes must stay as they are until the request is complete.
  func send(_ part: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> MPI_Request? {
    var request = mfac_request_null()
    let count = try MPIError.count(part.count, in: "MPI_Isend")
    try MPIError.check(
      "MPI_Isend",
      MPI_Isend(
        part.baseAddress, count, mfac_byte(), Int32(rank), Int32(tag), handle, &request))
    traffic += Traffic(messages: 1, bytes: part.count)
    return request
  }

  /// Starts to receive from `rank`.
  func receive(
    _ part: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int
  ) throws -> MPI_Request? {
    var request = mfac_request_null()
    let count = try MPIError.count(part.count, in: "MPI_Irecv")
    try MPIError.check(
      "MPI_Irecv",
      MPI_Irecv(
        part.baseAddress, count, mfac_byte(), Int32(rank), Int32(tag), handle, &request))
    return request
  }

  /// Sends numbers to a rank and receives `count` from it; of none there is no message. Of the two
  /// ranks alone.
  func exchange(_ values: [Double], with rank: Int, expecting count: Int) throws -> [Double] {
    var received = [Double](repeating: 0, count: count)
    try values.withUnsafeBytes { values in
      try received.withUnsafeMutableBytes { received in
        var requests: [MPI_Request?] = []
        if count > 0 { requests.append(try receive(received, from: rank, tag: 0)) }
        if !values.isEmpty { requests.append(try send(values, to: rank, tag: 0)) }
        try wait(for: &requests)
      }
    }
    return received
  }

  /// Lets requests go on, and does not wait for them: MPI works only when it is called.
  func progress(_ requests: inout [MPI_Request?]) throws {
    guard !requests.isEmpty else { return }
    var done: Int32 = 0
    try MPIError.check(
      "MPI_Testall", mfac_test_all(Int32(requests.count), &requests, &done))
    if done != 0 { requests = [] }
  }

  /// Waits until all requests are complete.
  ///
  /// MPI waits by asking over and over, which on a shared core takes the time of those it waits for:
  /// there, this sleeps between two questions.
  func wait(for requests: inout [MPI_Request?]) throws {
    let count = Int32(requests.count)
    guard sharesCores else {
      return try MPIError.check("MPI_Waitall", mfac_wait_all(count, &requests))
    }
    var done: Int32 = 0
    while true {
      try MPIError.check("MPI_Testall", mfac_test_all(count, &requests, &done))
      if done != 0 { return }
      usleep(20)
    }
  }

  /// The ranks on this node, and the cores that they may use between them.
  private static func node(_ world: MPI_Comm) throws -> (ranks: Int, cores: Int) {
    var node = mfac_comm_null()
    try MPIError.check(
      "MPI_Comm_split_type",
      MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), 0, mfac_info_null(), &node))
    defer { MPI_Comm_free(&node) }
    var size: Int32 = 0
    try MPIError.check("MPI_Comm_size", MPI_Comm_size(node, &size))
    var own = [UInt8](repeating: 0, count: 1024)
    var all = own
    guard mfac_affinity(&own, own.count) > 0 else {
      throw MPIError(call: "sched_getaffinity", reason: String(cString: strerror(errno)))
    }
    try MPIError.check(
      "MPI_Allreduce",
      MPI_Allreduce(own, &all, Int32(own.count), mfac_byte(), mfac_bitwise_or(), node))
    let cores = all.reduce(0) { $0 + $1.nonzeroBitCount }
    return (Int(size), cores)
  }

  /// Counts and offsets as MPI wants them.
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
