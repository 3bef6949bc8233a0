import Glibc

/// Describes how this process was started, as far as the environment shows before MPI starts.
enum Launch: Equatable {
  /// Started without a launcher; variables of a scheduler or of an ended launcher may remain.
  case alone
  /// Started by a launcher, as one of `ranks` ranks; nil if the launcher does not state the number.
  case launched(ranks: Int?)
  /// Started such that the ranks cannot find each other; with the reason and the command to use
  /// instead.
  case astray(String)

  /// The launch of this process.
  static let current = Launch(environment: environment()) { isListening(port: $0) }

  /// Determines the launch from the environment.
  ///
  /// - Parameters:
  ///   - environment: the environment variables of the process.
  ///   - isListening: returns whether a process on this host listens on a port.
  init(environment: [String: String], isListening: (UInt16) -> Bool) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    // PMIX_SERVER_URI41=1096613888.0;tcp4://127.0.0.1:34697; a URI of another form counts as
    // served.
    let servers = environment.filter { $0.key.hasPrefix("PMIX_SERVER_URI") }.values
    let isServed = servers.contains { uri in
      guard let port = uri.split(separator: ":").last.flatMap({ UInt16($0) }) else { return true }
      return isListening(port)
    }
    let hasName = environment["PMIX_NAMESPACE"] != nil && environment["PMIX_RANK"] != nil
    if let ranks = number("OMPI_COMM_WORLD_SIZE") {
      guard servers.isEmpty || isServed else {
        self = .astray(
          "the mpirun that started this shell or program has ended: type "
            + "'env -u OMPI_COMM_WORLD_SIZE …' for one rank, or mpirun again")
        return
      }
      self = .launched(ranks: ranks)
    } else if hasName, isServed {
      self = .launched(ranks: nil)
    } else if let tasks = number("SLURM_STEP_NUM_TASKS")
      ?? (environment["SLURM_STEP_ID"] != nil ? number("SLURM_NTASKS") : nil), tasks > 1
    {
      // PMI-2; Open MPI can be built with support for it.
      guard environment["PMI_RANK"] != nil else {
        self = .astray(
          "srun has started \(tasks) tasks that cannot find each other: type 'srun --mpi=pmix …', "
            + "or "
            + "'mpirun …' within the allocation")
        return
      }
      self = .launched(ranks: tasks)
    } else {
      // A shell within a Flux job also has FLUX_JOB_SIZE.
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

  /// True on rank 0, and if no variable states a rank.
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
  /// - Throws: `LaunchError` if the ranks would not find each other.
  func prepare() throws(LaunchError) {
    // hwloc queries each X display for its graphics card. If the name 'localhost' does not resolve,
    // that takes a minute or more.
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
    // A single rank needs neither a daemon, which would look for ssh, nor a session directory under
    // /tmp. All such runs share that directory: a run that ends would remove it while another
    // starts.
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 1)
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 1)
  }

  /// Checks that MPI has found the ranks that the launcher started.
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

  /// Looks the port up in the system's table of sockets; returns true if the table cannot be read.
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

/// Reports that the ranks were started such that they cannot find each other; every rank throws it.
package struct LaunchError: Error, CustomStringConvertible {
  package let description: String
}

/// Writes one line to standard error: the reason why the program ends, or another message.
package func reportError(_ message: String, as kind: String = "Error") {
  fflush(nil)
  var line = "\(kind): \(message)\n"
  line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
