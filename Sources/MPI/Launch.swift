import Glibc

/// How this process was started, as the environment tells before MPI has started.
enum Launch: Equatable {
  /// By itself, also where a scheduler or a launcher that is gone has left variables behind.
  case alone
  /// By a launcher, as one of so many ranks; nil where it does not say how many.
  case launched(ranks: Int?)
  /// In a way in which the ranks cannot find each other; with the reason, and what to type instead.
  case astray(String)

  /// Of this process.
  static let current = Launch(environment: environment()) { isListening(port: $0) }

  /// - Parameters:
  ///   - environment: of the process.
  ///   - isListening: whether somebody on this host waits for connections to a port.
  init(environment: [String: String], isListening: (UInt16) -> Bool) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    // PMIX_SERVER_URI41=1096613888.0;tcp4://127.0.0.1:34697; another form is believed.
    let servers = environment.filter { $0.key.hasPrefix("PMIX_SERVER_URI") }.values
    let isServed = servers.contains { uri in
      guard let port = uri.split(separator: ":").last.flatMap({ UInt16($0) }) else { return true }
      return isListening(port)
    }
    let hasName = environment["PMIX_NAMESPACE"] != nil && environment["PMIX_RANK"] != nil
    if let ranks = number("OMPI_COMM_WORLD_SIZE") {
      guard servers.isEmpty || isServed else {
        self = .astray(
          "the mpirun that this shell or program was started by is gone: type "
            + "'env -u OMPI_COMM_WORLD_SIZE …' for one rank, or mpirun again")
        return
      }
      self = .launched(ranks: ranks)
    } else if hasName, isServed {
      self = .launched(ranks: nil)
    } else if let tasks = number("SLURM_STEP_NUM_TASKS")
      ?? (environment["SLURM_STEP_ID"] != nil ? number("SLURM_NTASKS") : nil), tasks > 1
    {
      // PMI-2, for which an Open MPI may be built.
      guard environment["PMI_RANK"] != nil else {
        self = .astray(
          "srun has started \(tasks) tasks that cannot find each other: type 'srun --mpi=pmix …', "
            + "or "
            + "'mpirun …' within the allocation")
        return
      }
      self = .launched(ranks: tasks)
    } else {
      // Within a job of Flux a shell has the job's size too.
      let sizes =
        ["PMI_SIZE", "JSM_NAMESPACE_SIZE"]
        + (environment["FLUX_TASK_RANK"] != nil ? ["FLUX_JOB_SIZE"] : [])
      if let ranks = sizes.compactMap(number).max(), ranks > 1 {
        self = .launched(ranks: ranks)
      } else {
        self = environment["ALPS_APP_PE"] != nil ? .launched(ranks: nil) : .alone
      }
    }
  }

  /// Whether this is rank 0, or nobody says otherwise.
  var isFirst: Bool {
    guard self != .alone else { return true }
    for name in [
      "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "FLUX_TASK_RANK",
      "ALPS_APP_PE", "SLURM_PROCID",
    ] {
      if let rank = getenv(name) { return String(cString: rank) == "0" }
    }
    return true
  }

  /// Prepares the environment for MPI to start.
  ///
  /// - Throws: `LaunchError` where the ranks would not find each other.
  func prepare() throws(LaunchError) {
    // hwloc asks each X display for its card: where nobody knows the name 'localhost', a minute or
    // more.
    setenv("HWLOC_COMPONENTS", "-gl", 0)
    switch self {
    case .launched: return
    case .astray(let reason): throw LaunchError(description: reason)
    case .alone: break
    }
    // Open MPI would take a scheduler's variables for a launch, and look for a server.
    let others = [
      "SLURM_", "PMI_", "PMI2_", "PMIX_", "FLUX_", "JSM_", "ALPS_", "OMPI_MCA_orte_",
      "OMPI_MCA_ess", "OMPI_MCA_pmix",
    ]
    for name in Self.environment().keys where others.contains(where: name.hasPrefix) {
      unsetenv(name)
    }
    // A single rank needs no daemon, which would look for ssh, and no directory under /tmp.
    // All such runs share it: one that ends would remove it while another begins.
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 1)
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 1)
  }

  /// Checks that MPI has found the ranks that the launcher has started.
  func check(ranks found: Int) throws(LaunchError) {
    guard case .launched(let ranks?) = self, ranks > 1, found == 1 else { return }
    throw LaunchError(
      description:
        "a launcher has started \(ranks) processes, each of which finds itself alone: type "
        + "'mpirun …' with the mpirun of Open MPI \(Communicator.libraryVersion)")
  }

  private static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let parts = String(cString: entry).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
      next += 1
    }
    return variables
  }

  /// By the system's table of sockets; where it cannot be read, somebody may.
  private static func isListening(port: UInt16) -> Bool {
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
      guard let file = fopen(path, "r") else { return true }
      defer { fclose(file) }
      // number, local address:port, remote address:port, state (0A: listening), …
      var line = [CChar](repeating: 0, count: 512)
      while fgets(&line, Int32(line.count), file) != nil {
        let fields = String(
          decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self
        ).split(separator: " ")
        guard fields.count > 3 else { continue }
        let local = fields[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
        if fields[3] == "0A", local == port { return true }
      }
    }
    return false
  }
}

/// Ranks that were started in a way in which they cannot find each other; all of them have it.
package struct LaunchError: Error, CustomStringConvertible {
  package let description: String
}

/// Says on standard error, in one line, why the program ends, or what else must be known of it.
package func reportError(_ message: String, as kind: String = "Error") {
  fflush(nil)
  var line = "\(kind): \(message)\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
