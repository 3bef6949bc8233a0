import COpenMPI
import FileRecords
import Glibc

/// Represents the ranks of this run and provides collectives between them.
///
/// Unless stated otherwise every method is collective: all ranks call it, in the same order.
public final class Communicator {
  /// This rank's index in 0..<size.
  public let rank: Int
  /// The number of ranks, p.
  public let size: Int
  /// The number of ranks that share this rank's memory.
  public let ranksOnThisNode: Int
  /// Messages and bytes that this rank has sent since the start.
  public internal(set) var traffic = Traffic()
  let handle: MPI_Comm
  private var tags = 0
  /// Seconds this rank waits for others before it ends the job; 0 means no limit.
  let watchdogSeconds: Double
  /// True if the ranks compare their collective operations.
  let checksCollectives: Bool
  /// Collective operations so far, counted if they are compared.
  var operations = 0
  /// The files that the ranks have opened for reading.
  var files = FileComparison()
  /// This rank's current step, phase and operation.
  public var status = RankStatus()
  /// Format of settings in printed messages.
  public var settingStyle = Diagnostic.keys
  /// True if ranks share cores: a rank that waits should then yield its core to the others.
  public let sharesCores: Bool

  /// Starts MPI, for one thread that communicates, and returns the communicator of all ranks.
  ///
  /// Without a launcher the run has one rank.
  ///
  /// - Parameters:
  ///   - watchdogSeconds: seconds a rank waits for others before it names them and ends the job; 0
  ///     disables the limit. A rank that computes for longer than this counts as missing.
  ///   - checksCollectives: whether the ranks compare each collective operation before it begins.
  ///     This costs a message between every two ranks.
  public static func start(
    watchdogSeconds: Double = 600, checksCollectives: Bool = false
  ) throws -> Communicator {
    try Launch.current.prepare()
    // Other ranks wait 2 s longer, so that rank 0 reports for all.
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

  /// Returns a communicator of this rank alone. Not collective.
  package func alone() throws -> Communicator {
    try Communicator(
      mfac_comm_self(), watchdogSeconds: watchdogSeconds, checksCollectives: false)
  }

  /// The version of Open MPI, such as `4.1.4`; for another library, its full version string.
  package static var libraryVersion: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var length: Int32 = 0
    guard MPI_Get_library_version(&text, &length) == mfac_success() else { return "unknown" }
    let words = String(
      decoding: text.prefix(Int(length)).prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
      as: UTF8.self)
    // Open MPI v4.1.4, package: …
    return words.hasPrefix("Open MPI v")
      ? String(words.dropFirst(10).prefix { $0 != "," && $0 != " " }) : words
  }

  /// True on rank 0, and if no launcher states a rank; usable before MPI starts.
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

  /// Ends MPI. Nothing may be communicated afterwards.
  public func finish() throws {
    try begin("end")
    // The watchdog covers this wait for the other ranks; it does not cover MPI_Finalize.
    _ = try gather([], counts: [Int](repeating: 0, count: size))
    TimeLimit.begin(
      watchdogSeconds,
      saying: "rank \(rank) waited \(Int(watchdogSeconds.rounded(.up))) s for MPI to end")
    defer { TimeLimit.end() }
    try MPIError.check("MPI_Finalize", MPI_Finalize())
  }

  /// Ends every rank of the job at once. Not collective: for a rank that cannot continue.
  public func abort(status: Int32) -> Never {
    // MPI_Abort ends the process without flushing its output.
    fflush(nil)
    // MPI_Abort waits for the launcher, which may no longer exist.
    TimeLimit.begin(10, saying: "rank \(rank): MPI did not end the job")
    MPI_Abort(handle, status)
    fatalError("MPI_Abort returned")
  }

  /// Returns a tag for the messages of an exchange that may overlap with others. The ranks request
  /// tags in the same order. Tag 0 is for exchanges that overlap with no other.
  func newTag() -> Int {
    tags += 1
    return tags
  }

  /// Starts to send to `rank`. The bytes must not change until the request is complete.
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

  /// Sends numbers to a rank and receives `count` numbers from it; an empty array sends no message.
  /// Only the two ranks take part.
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

  /// Lets requests make progress without waiting for them: MPI works only when it is called.
  func progress(_ requests: inout [MPI_Request?]) throws {
    guard !requests.isEmpty else { return }
    var done: Int32 = 0
    try MPIError.check(
      "MPI_Testall", mfac_test_all(Int32(requests.count), &requests, &done))
    if done != 0 { requests = [] }
  }

  /// Waits until all requests are complete, within the watchdog's limit.
  ///
  /// On a shared core, polling takes time from the ranks that this one waits for, so it sleeps
  /// between two polls.
  func wait(for requests: inout [MPI_Request?]) throws {
    var done: Int32 = 0
    var watchdog = Watchdog()
    // A look costs more than a poll: one comes at least once per millisecond, and a short wait has
    // none.
    let interval = sharesCores ? 8 : 512
    var polls = 0
    while true {
      try MPIError.check(
        "MPI_Testall", mfac_await_all(Int32(requests.count), &requests, &done))
      if done != 0 { return }
      polls += 1
      if polls % interval == 0 { try watchdog.look(on: self) }
      if sharesCores { usleep(20) }
    }
  }

  /// Returns the number of ranks on this node, and of cores that they may use together.
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
  /// Chunks in which a slice [..] of scalars crosses the network. They are large enough to make the
  /// cost per message negligible, and small enough for the first to leave early.
  var messageChunks: [Range<Int>] {
    let length = 1 << 18
    return stride(from: lowerBound, to: upperBound, by: length).map {
      $0..<Swift.min($0 + length, upperBound)
    }
  }
}
