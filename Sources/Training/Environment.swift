import Foundation
import LinearAlgebra
import MPI
import TrainedModels

/// Where a process of a run works, a line of `environment.jsonl`: of rank 0, but for the hosts.
struct Environment: Encodable {
  /// ISO 8601.
  let started: String
  /// Steps that the run has taken before.
  let fromStep: Int
  let ranks: Int
  /// Of all ranks, each once.
  let hosts: [String]
  /// The model's name; nil where the system does not tell it.
  let cpu: String?
  /// Of its host.
  let cores: Int
  let blasCoreType: String
  /// Versions.
  let openblas: String
  let openMpi: String
  let swiftMfac: String
  /// Of rank 0, as a shell would take it.
  let commandLine: String

  /// Collective.
  init(fromStep: Int, on world: Communicator) throws {
    let formatter = ISO8601DateFormatter()
    formatter.timeZone = .current
    started = formatter.string(from: Date())
    self.fromStep = fromStep
    ranks = world.size
    hosts = try world.allGather(hostName()).reduce(into: []) { hosts, host in
      if !hosts.contains(host) { hosts.append(host) }
    }
    cpu = Self.cpuModel
    cores = ProcessInfo.processInfo.processorCount
    blasCoreType = BLAS.coreType
    openblas = BLAS.version
    openMpi = Communicator.libraryVersion
    swiftMfac = packageVersion
    commandLine = CommandLine.arguments.map(Self.quoted).joined(separator: " ")
  }

  private static var cpuModel: String? {
    lines(of: "/proc/cpuinfo").first { $0.hasPrefix("model name") }.flatMap { line in
      line.split(separator: ":", maxSplits: 1).dropFirst().first?
        .trimmingCharacters(in: .whitespaces)
    }
  }

  /// In quotes, where a shell would read something else.
  private static func quoted(_ argument: String) -> String {
    let plain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_=./:,+@%".contains($0) }
    guard argument.isEmpty || !plain else { return argument }
    return "'" + argument.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
  }
}

/// Of this machine.
func hostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  gethostname(&name, name.count - 1)
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
