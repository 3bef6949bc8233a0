import Foundation

/// The built program, run from outside as a user does.
struct Program {
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
    let seconds: Double
  }

  static let package = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// Beside the tests themselves.
  static let train = Bundle.main.bundleURL.appending(path: "swift-mfac-train").path
  static let prune = Bundle.main.bundleURL.appending(path: "swift-mfac-prune").path
  static let fisher = Bundle.main.bundleURL.appending(path: "swift-mfac-fisher").path
  static let bench = Bundle.main.bundleURL.appending(path: "swift-mfac-bench").path
  static let directory = Bundle.main.bundleURL.path
  static let ranksCheck = Bundle.main.bundleURL.appending(path: "ranks-check").path

  /// What a program has written as JSON.
  static func record<Record: Decodable>(
    _ type: Record.Type = Record.self, in path: String
  ) throws -> Record {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: URL(filePath: path)))
  }

  /// Runs `swift-mfac-train`, without a launcher where `ranks` is nil.
  static func train(ranks: Int? = nil, _ arguments: [String]) throws -> Outcome {
    try run(process(ranks: ranks, arguments))
  }

  static func process(
    ranks: Int?, program: String = train, _ arguments: [String]
  ) -> Process {
    let process = Process()
    if let ranks {
      process.executableURL = URL(filePath: "\(package)/Launch/local.sh")
      process.arguments = ["-n", "\(ranks)", program] + arguments
    } else {
      process.executableURL = URL(filePath: program)
      process.arguments = arguments
    }
    return process
  }

  /// - Parameter limit: after so many seconds it is ended.
  static func run(_ process: Process, limit: Double = 120) throws -> Outcome {
    // Files, not pipes: nothing has to be read while it runs.
    let directory = try TemporaryDirectory()
    let (out, err) = (directory.path("out"), directory.path("err"))
    for path in [out, err] { try Data().write(to: URL(filePath: path)) }
    process.standardOutput = FileHandle(forWritingAtPath: out)
    process.standardError = FileHandle(forWritingAtPath: err)
    process.standardInput = FileHandle.nullDevice
    let start = Date()
    // A child inherits the signals that its maker blocks, and a test's thread blocks most: a run that
    // is told to end would not hear it.
    var (none, own) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &own)
    defer { pthread_sigmask(SIG_SETMASK, &own, nil) }
    try process.run()
    // A hang is a failure, not a reason to wait for ever.
    let timeout = DispatchWorkItem { if process.isRunning { process.terminate() } }
    DispatchQueue.global().asyncAfter(deadline: .now() + limit, execute: timeout)
    process.waitUntilExit()
    timeout.cancel()
    return Outcome(
      status: process.terminationStatus, output: try String(contentsOfFile: out, encoding: .utf8),
      errors: try String(contentsOfFile: err, encoding: .utf8),
      seconds: Date().timeIntervalSince(start))
  }

  /// The process of a rank, found by its arguments and its launcher's environment.
  static func rank(_ rank: Int, runningWith argument: String) -> pid_t? {
    process(with: argument) {
      $0.hasPrefix("\(train)\0") && $1.contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
    }
  }

  /// The process that ranks with such arguments are started by.
  static func launcher(runningWith argument: String) -> pid_t? {
    process(with: argument) { command, _ in command.hasPrefix("mpirun\0") }
  }

  private static func process(
    with argument: String, _ isMeant: (_ command: String, _ environment: String) -> Bool
  ) -> pid_t? {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { pid_t($0) }.first { process in
      func text(_ name: String) -> String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") ?? Data()
        return String(decoding: bytes, as: UTF8.self)
      }
      let command = text("cmdline")
      return command.contains(argument) && isMeant(command, text("environ"))
    }
  }
}

/// A directory that goes when the test does.
final class TemporaryDirectory {
  let root: String

  init() throws {
    root = NSTemporaryDirectory() + "swift-mfac-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  func write(_ text: String, to name: String) throws -> String {
    try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    return path(name)
  }
}

/// The bytes of the network that a run leaves.
func trainedNetwork(of run: String) throws -> Data {
  try Data(contentsOf: URL(filePath: "\(run)/model.safetensors"))
}

/// A line of `metrics.jsonl`.
struct MetricsLine: Decodable {
  let step: Int
  let epoch: Int
  let loss: Double?
  let gradientNorm: Double?
  let damping: Double?
  let reductionRatio: Double?
  let directionNorm: Double?
  let angle: Double?
  let cgIterations: Int?
  let cgResidual: Double?
  let skipped: Bool?
  let testLoss: Double?
  let testAccuracy: Double?

  static func read(_ directory: String) throws -> [MetricsLine] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try String(contentsOfFile: "\(directory)/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").map { try decoder.decode(MetricsLine.self, from: Data($0.utf8)) }
  }
}
