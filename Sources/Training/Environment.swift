import Formats
import Foundation
import LinearAlgebra
import MPI
import RunRecords
import TrainedModels

extension Environment {
  /// Describes this process, its machine and the hosts of all ranks. Collective.
  init(fromStep: Int, on world: Communicator) throws {
    self.init()
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

  /// Quotes an argument if a shell would change it.
  private static func quoted(_ argument: String) -> String {
    let plain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_=./:,+@%".contains($0) }
    guard argument.isEmpty || !plain else { return argument }
    return "'" + argument.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
  }
}

/// Returns the name of this machine.
func hostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  gethostname(&name, name.count - 1)
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Identifies the program and its arithmetic, on which the bytes of a run depend in addition to its
/// settings.
enum Provenance {
  static var arithmetic: String {
    BLAS.coreType + (CPU.fusesMultiplyAdd ? "" : ", no fused multiply-add")
  }

  /// SHA-256 of the program's file.
  static let program = (try? SHA256.ofFile("/proc/self/exe")) ?? "unknown"
}

/// Version of this package, which its programs print and its runs record.
public let packageVersion = "0.1.0"
