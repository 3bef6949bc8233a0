import Foundation
import Support
import Testing

/// Tests that one rank runs without a launcher in any environment, and that ranks that cannot find
/// each other do not run.
@Suite(.serialized) struct LaunchTests {
  private let settings = [
    "--dataset", "digits", "--model", "mlp", "--window", "4", "--steps", "2", "--dry-run",
    "--progress", "none",
  ]

  private func run(
    _ environment: [String: String], program: String = Program.train, _ arguments: [String]
  ) throws -> Program.Outcome {
    let process = Program.process(ranks: nil, program: program, arguments)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    return try Program.run(process)
  }

  private static let slurm = [
    "SLURM_JOB_ID": "77", "SLURM_JOBID": "77", "SLURM_NODELIST": "n1", "SLURM_NNODES": "1",
    "SLURM_NTASKS": "8", "SLURM_TASKS_PER_NODE": "8", "SLURM_PROCID": "0",
  ]
  private static let step = slurm.merging([
    "SLURM_STEP_ID": "0", "SLURM_STEPID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "1",
  ]) { $1 }
  /// No process listens at this address.
  private static let gone = "5.0;tcp4://127.0.0.1:1"

  /// The environments of schedulers' shells, of launchers that have ended, and of machines without
  /// ssh.
  static let environments: [(name: String, variables: [String: String])] = [
    ("salloc", slurm), ("srun --pty bash", step),
    (
      "srun --mpi=pmix --pty bash, left over",
      step.merging([
        "PMIX_NAMESPACE": "slurm.pmix.77.0", "PMIX_RANK": "0", "PMIX_SERVER_URI41": gone,
      ]) { $1 }
    ),
    ("PMI of another MPI", ["PMI_RANK": "3", "PMI_FD": "99", "PMI_SIZE": "1"]),
    ("PMIx without a server", ["PMIX_NAMESPACE": "x", "PMIX_RANK": "2", "PMIX_SERVER_URI3": gone]),
    (
      "PBS, LSF, Grid Engine, Cobalt",
      [
        "PBS_JOBID": "3", "PBS_NODEFILE": "/x", "PBS_ENVIRONMENT": "PBS_INTERACTIVE",
        "LSB_JOBID": "3", "LSB_MCPU_HOSTS": "n1 4", "JOB_ID": "3", "PE_HOSTFILE": "/x",
        "SGE_ROOT": "/x", "ARC": "x", "COBALT_JOBID": "3",
      ]
    ),
    ("ALPS", ["ALPS_APP_ID": "3"]),
    (
      "Flux",
      ["FLUX_JOB_ID": "3", "FLUX_KVS_PATH": "x", "FLUX_URI": "local:///x", "FLUX_JOB_SIZE": "4"]
    ),
    ("what mpirun sets", ["OMPI_MCA_ess": "^singleton", "OMPI_MCA_orte_ess_num_procs": "3"]),
    ("without ssh", ["PATH": "/nonexistent"]),
  ]

  @Test("one rank runs without a launcher in any environment", arguments: environments.indices)
  func oneRankRuns(index: Int) throws {
    let (name, variables) = Self.environments[index]
    let outcome = try run(variables, settings)
    #expect(outcome.status == 0 && outcome.errors == "", "\(name): \(outcome.errors)")
    #expect(outcome.output.contains("\nranks      1, "), "\(name): \(outcome.output)")
  }

  @Test("the other programs run without a launcher too") func otherPrograms() throws {
    let weights =
      "\(Program.package)/Tests/EndToEndTests/Trajectories/digits-mlp-initial.safetensors"
    for (program, arguments) in [
      (Program.prune, ["--sparsity", "0.5", "--output", "/nonexistent/out"]),
      (Program.fisher, ["spectrum"]), (Program.bench, ["link"]),
    ] {
      let variables = Self.step.merging(["PATH": "/nonexistent"]) { $1 }
      let outcome = try run(
        variables, program: program,
        arguments + (program == Program.bench ? [] : ["--dataset", "digits", "--weights", weights]))
      // Each program's own message, after MPI has started.
      #expect(!outcome.errors.contains("ORTE") && !outcome.errors.contains("orte"))
      #expect(outcome.errors.components(separatedBy: "\n").count <= 2, "\(outcome.errors)")
    }
  }

  @Test("ranks that cannot find each other do not run") func isolatedRanks() throws {
    for (variables, says) in [
      (
        Self.step.merging(["SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"]) { $1 },
        "srun has started 4 tasks that cannot find each other: type 'srun --mpi=pmix"
      ),
      (
        [
          "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "PMIX_NAMESPACE": "5",
          "PMIX_RANK": "0", "PMIX_SERVER_URI41": Self.gone,
        ], "the mpirun that started this shell or program has ended"
      ),
      (
        ["PMI_RANK": "0", "PMI_SIZE": "3"],
        "a launcher has started 3 processes, each of which finds itself alone: type 'mpirun"
      ),
    ] {
      let outcome = try run(variables, settings)
      #expect(outcome.status == 1)
      #expect(outcome.errors.hasPrefix("Error: \(says)"), "\(outcome.errors)")
      #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
  }

  /// No rank looks up a name at the name server.
  @Test("a single rank looks up no host name", .enabled(if: geteuid() == 0, "mounting is for root"))
  func noNameLookup() throws {
    // This name server listens and does not answer.
    let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(53).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0009).bigEndian
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(isBound == 0)
    let directory = try TemporaryDirectory()
    let names = try directory.write("", to: "hosts")
    let server = try directory.write("nameserver 127.0.0.9\n", to: "resolv.conf")
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/unshare")
    process.arguments =
      [
        "--mount", "bash", "-c",
        "mount --bind \(names) /etc/hosts && mount --bind \(server) /etc/resolv.conf && "
          + "exec \"$@\"",
        "bash", Program.train,
      ] + settings
    let outcome = try Program.run(process)
    #expect(outcome.status == 0, "\(outcome.errors)")
    var question: UInt8 = 0
    #expect(recv(socket, &question, 1, Int32(MSG_DONTWAIT)) == -1 && errno == EAGAIN)
  }

  /// OpenBLAS would try endlessly to allocate its memory: before main with threads, otherwise in
  /// the first product.
  @Test("too little memory to start gives a message", arguments: ["unset", "1"])
  func tooLittleMemory(threads: String) throws {
    for program in [Program.train, Program.prune] {
      let process = Process()
      process.executableURL = URL(filePath: "/bin/bash")
      process.arguments = [
        "-c",
        """
        ulimit -v 230000
        \(threads == "unset" ? "unset OPENBLAS_NUM_THREADS" : "export OPENBLAS_NUM_THREADS=1")
        exec \(program) --dataset digits --model mlp --weights w.safetensors --output o \
          --sparsity 0.5
        """,
      ]
      if program == Program.train {
        process.arguments![1] = process.arguments![1].replacing(
          " --weights w.safetensors --output o", with: " --dry-run")
      }
      let outcome = try Program.run(process)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("too little memory to start"), "\(outcome.errors)")
      #expect(outcome.errors.contains("'ulimit -v' allows 224 MiB in total"), "\(outcome.errors)")
    }
  }
}
