import COpenMPI
import FileRecords
import Glibc

/// The ranks of this run and the collectives between them.
///
/// Unless said otherwise every method is collective: all ranks call it, in the same order.
public final class Communicator {
  /// This rank's number, from 0 to below `size`.
  public let rank: Int
  /// p, the number of ranks.
  public let size: Int
  /// Ranks that share this rank's memory.
  public let ranksOnThisNode: Int
  /// What this rank has sent since the start.
  public internal(set) var traffic = Traffic()
  let handle: MPI_Comm
  private var tags = 0
  /// How long this rank waits for others before it ends the job; 0: for ever.
  let watchdogSeconds: Double
  /// Whether the ranks compare their collective operations.
  let checksCollectives: Bool
  /// Collective operations so far, where they are compared.
  var operations = 0
  /// What the ranks have opened for reading.
  var files = FileComparison()
  /// Where this rank is.
  public var status = RankStatus()
  /// How settings are shown in what is printed.
  public var settingStyle = Diagnostic.keys
  /// Whether ranks share cores, so that one that waits had better leave its core to the others.
  public let sharesCores: Bool

  /// Starts MPI, for one thread that communicates, and returns the communicator of all ranks.
  ///
  /// Without a launcher there is one rank.
  ///
  /// - Parameters:
  ///   - watchdogSeconds: how long a rank waits for others before it says for which, and ends the
  ///     job; 0: for ever. A rank that computes for longer is one of those waited for in vain.
  ///   - checksCollectives: whether each collective operation is compared across the ranks before
  ///     it begins, which costs a message between any two of them.
  public static func start(
    watchdogSeconds: Double = 600, checksCollectives: Bool = false
  ) throws -> Communicator {
    try Launch.current.prepare()
    // Of several ranks that wait, rank 0 is to say so.
    TimeLimit.begin(
      watchdogSeconds > 0 && !isFirst ? watchdogSeconds + 2 : watchdogSeconds,
      saying: "waited \(Int(watchdogSeconds.rounded(.up))) s for all ranks to start MPI")
    defer { TimeLimit.end() }
    var provided: Int32 = 0
    try MPIError.check(
      "MPI_Init_thread", MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided))
    let world = mfac_comm_world()!
    try MPIError.check(
      "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(world, mfac_errors_return()))
    let communicator = try Communicator(
      world, watchdogSeconds: watchdogSeconds, checksCollectives: checksCollectives)
    if communicator.size == 1 { OpenedFiles.stop() }
    try Launch.current.check(ranks: communicator.size)
    return communicator
  }

  /// This rank by itself. Not collective.
  package func alone() throws -> Communicator {
    try Communicator(
      mfac_comm_self(), watchdogSeconds: watchdogSeconds, checksCollectives: false)
  }

  /// Of Open MPI, such as `4.1.4`; of another library all that it says of itself.
  package static var libraryVersion: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var length: Int32 = 0
    guard MPI_Get_library_version(&text, &length) == MPI_SUCCESS else { return "unknown" }
    let words = String(
      decoding: text.prefix(Int(length)).prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
      as: UTF8.self)
    // Open MPI v4.1.4, package: …
    return words.hasPrefix("Open MPI v")
      ? String(words.dropFirst(10).prefix { $0 != "," && $0 != " " }) : words
  }

  /// Whether this is rank 0, or no launcher says otherwise. For use before MPI has started.
  package static let isFirst = Launch.current.isFirst

  private init(
    _ handle: MPI_Comm, watchdogSeconds: Double, checksCollectives: Bool
  ) throws {
    var rank: Int32 = 0
    var size: Int32 = 0
    try MPIError.check("MPI_Comm_rank", MPI_Comm_rank(handle, &rank))
    try MPIError.check("MPI_Comm_size", MPI_Comm_size(handle, &size))
    self.rank = Int(rank)
    self.size = Int(size)
    self.handle = handle
    self.watchdogSeconds = watchdogSeconds
    self.checksCollectives = checksCollectives
    let node = try Self.node(handle)
    ranksOnThisNode = node.ranks
    sharesCores = node.ranks > node.cores
  }

  /// Ends MPI; nothing may be communicated afterwards.
  public func finish() throws {
    try begin("end")
    // The others are waited for here, where the wait is watched.
    _ = try gather([], counts: [Int](repeating: 0, count: size))
    TimeLimit.begin(
      watchdogSeconds,
      saying: "rank \(rank) waited \(Int(watchdogSeconds.rounded(.up))) s for MPI to end")
    defer { TimeLimit.end() }
    try MPIError.check("MPI_Finalize", MPI_Finalize())
  }

  /// Ends every rank of the job at once. Not collective: for a rank that cannot go on.
  public func abort(status: Int32) -> Never {
    // It ends the process without that.
    fflush(nil)
    // It waits for the launcher, which may not be there any more.
    TimeLimit.begin(10, saying: "rank \(rank): MPI did not end the job")
    MPI_Abort(handle, status)
    fatalError("MPI_Abort returned")
  }

  /// A tag for the messages of an exchange that others may run beside; the ranks ask for them in
  /// the same order. 0 is for exchanges that nothing runs beside.
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

  /// Waits until all requests are complete, but not for ever.
  ///
  /// On a shared core, to ask over and over takes the time of those it waits for: there, this
  /// sleeps between two questions.
  func wait(for requests: inout [MPI_Request?]) throws {
    var done: Int32 = 0
    var watchdog = Watchdog()
    // A look costs more than a poll: there is one in a millisecond or more often, not in a short
    // wait.
    let interval = sharesCores ? 8 : 512
    var polls = 0
    while true {
      try MPIError.check(
        "MPI_Testall", mfac_test_all(Int32(requests.count), &requests, &done))
      if done != 0 { return }
      polls += 1
      if polls % interval == 0 { try watchdog.look(on: self) }
      if sharesCores { usleep(20) }
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
    var local = [UInt8](repeating: 0, count: 1024)
    var all = local
    guard mfac_affinity(&local, local.count) > 0 else {
      throw MPIError(call: "sched_getaffinity", reason: String(cString: strerror(errno)))
    }
    try MPIError.check(
      "MPI_Allreduce",
      MPI_Allreduce(local, &all, Int32(local.count), mfac_byte(), mfac_bitwise_or(), node))
    let cores = all.reduce(0) { $0 + $1.nonzeroBitCount }
    return (Int(size), cores)
  }
}

extension Range<Int> {
  /// The pieces in which a slice [..] of scalars crosses the network: large enough that what a
  /// message costs by itself does not count, small enough that the first leave early.
  var messageChunks: [Range<Int>] {
    let length = 1 << 18
    return stride(from: lowerBound, to: upperBound, by: length).map {
      $0..<Swift.min($0 + length, upperBound)
    }
  }
}
