import ArgumentParser
import Foundation
import LinearAlgebra
import MPI
import ProgramOptions

/// Measures the latency and bandwidth that a prediction needs.
struct LinkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "link",
    abstract: "Measures latency and bandwidth between two ranks (mpirun -n 2), for 'predict'.",
    discussion: """
      Both ranks send at the same time, as in training. The latency is the median time of an \
      exchange of 64 bytes. The bandwidth is that of 8 MB in the program's chunks, less the \
      latency of their messages.
      """)

  func run() throws {
    Launcher.run { world in
      try world.agree {
        guard world.size == 2 else {
          throw ValidationError("'link' measures between 2 ranks, this run has \(world.size)")
        }
      }
      let (latency, _) = try Self.exchange(floats: 16, on: world)
      let (seconds, sent) = try Self.exchange(floats: 1 << 21, on: world)
      let bandwidth = Double(sent.bytes) / max(seconds - Double(sent.messages) * latency, 1e-9)
      guard world.rank == 0 else { return }
      print(String(format: "--latency %.3g --bandwidth %.3g", latency, bandwidth))
    }
  }

  /// Exchanges `floats` numbers each way; returns the median seconds and a rank's traffic.
  /// Collective.
  private static func exchange(
    floats: Int, on world: Communicator
  ) throws -> (seconds: Double, sent: Traffic) {
    let vector = Buffer<Float>(count: 2 * floats)
    let slices = [0..<floats, floats..<2 * floats]
    let before = world.traffic
    var times: [Double] = []
    for _ in 0..<(floats < 1000 ? 2000 : 20) {
      let start = ContinuousClock.now
      try world.allGather(vector.all, slices: slices)
      times.append((ContinuousClock.now - start) / .seconds(1))
    }
    let sent = world.traffic - before
    let seconds = try world.allGather(times.median).max()!
    return (
      seconds, Traffic(messages: sent.messages / times.count, bytes: sent.bytes / times.count)
    )
  }
}
