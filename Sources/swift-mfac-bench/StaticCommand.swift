import ArgumentParser
import Curvature
import Foundation
import LinearAlgebra
import MPI
import ProgramOptions
import Pruning
import RandomNumbers
import Sharding
import TrainedModels
import Training

/// Times the static algorithm over any number of ranks: scores of all weights and the joint update.
struct StaticCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "static",
    abstract:
      "Times saliencies of all weights and the joint update of pruning, beside products.",
    discussion: """
      Saliencies cost m²·d multiplications and additions for the Gram matrix (half of GGᵀ), m³/6 \
      for its factor and m²·d/2 for V = L⁻¹G. The update costs the same for the kept tenth of the \
      columns. Speeds are relative to a square matrix product of order 1024 in the same run. With \
      several ranks, rank 0 also computes everything alone, for the speed-up.
      """)

  @Option(parsing: .upToNextOption, help: "d, weights.")
  var parameters = [272_474, 1_000_000]

  @Option(parsing: .upToNextOption, help: "m, gradients; one line for each pair of d and m.")
  var window = [256, 1024]

  @Option(
    help: "Keep gradients in files in this directory instead of memory.", completion: .directory)
  var pageDirectory: String?

  @Option(parsing: .unconditional, help: "Repetitions, whose median is printed.")
  var steps = 3

  func validate() throws {
    try require("--steps", in: 1...1_000_000_000, steps)
    for d in parameters { try require("--parameters", in: 1...1_000_000_000, d) }
    for m in window { try require("--window", in: 1...100_000, m) }
  }

  func run() throws {
    Launcher.run { world in
      if world.rank == 0 {
        let place = pageDirectory.map { ", pages in \($0)" } ?? ""
        print(
          "\(world.size) ranks, OpenBLAS core type \(BLAS.coreType), one thread a rank\(place)")
      }
      for d in parameters {
        for m in window { try measure(d, m, on: world) }
      }
    }
  }

  private func measure(_ parameters: Int, _ m: Int, on world: Communicator) throws {
    let work = try world.agree {
      try StaticWork(parameters: parameters, gradients: m, pageDirectory, on: world)
    }
    // Rank 0 also does the whole work alone, in turn with the others, so other load affects both.
    let alone = try world.agree {
      world.size > 1 && world.rank == 0
        ? try StaticWork(parameters: parameters, gradients: m, pageDirectory, on: world.alone())
        : nil
    }
    var (products, scores, updates, single): ([Double], [Double], [Double], [Double]) =
      ([], [], [], [])
    let factors = (0..<3).map { _ in Buffer<Double>(count: 1024 * 1024) }
    for repetition in 0...steps {
      let product = try time(on: world) {
        for _ in 0..<5 { Self.product(factors[0], factors[1], factors[2]) }
      }
      // The first repetition allocates the memory and is not counted.
      guard repetition > 0 else { continue }
      products.append(product / 5)
      scores.append(try time(on: world, work.scores))
      updates.append(try time(on: world, work.update))
      if world.size > 1 { single.append(try time(on: world) { try alone?.scores() }) }
    }
    let (d, n) = (Double(parameters), Double(m))
    let speed = Double(world.size) * 2 * pow(1024, 3) / products.median
    let scoreRate = (2 * n * n * d + n * n * n / 3) / scores.median
    let peak = try world.allGather(Double(peakMemory())).max()!
    if world.rank == 0 {
      print(
        row(
          "d = \(parameters), m = \(m)",
          [
            "scores \(format(scores.median, 3)) s", "\(format(scoreRate / 1e9, 1)) GFLOP/s",
            "\(format(scoreRate / speed, 2)) of products",
            "update \(format(updates.median, 3)) s",
            "peak so far \(format(peak / 1e9, 2)) GB",
          ]
            + (single.isEmpty
              ? [] : ["scores \(format(single.median / scores.median, 2)) × one rank"]),
          nameWidth: 22, width: 20))
    }
  }

  /// Returns the seconds of the slowest rank.
  private func time(on world: Communicator, _ body: () throws -> Void) throws -> Double {
    _ = try world.allGather(0)
    let start = ContinuousClock.now
    try body()
    return try world.allGather((ContinuousClock.now - start) / .seconds(1)).max()!
  }

  private static func product(_ a: Buffer<Double>, _ b: Buffer<Double>, _ c: Buffer<Double>) {
    let n = 1024
    Double.product(
      rows: n, columns: n, inner: n, alpha: 1, a: a.pointer, strideA: n, transposeA: false,
      b: b.pointer, strideB: n, transposeB: false, beta: 0, c: c.pointer, strideC: n)
  }

  private func format(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}

/// Holds random gradients of d weights, distributed over the ranks of a communicator.
private struct StaticWork {
  private let surgeon: BrainSurgeon<Float>
  private let world: Communicator
  private let count: Int

  init(
    parameters: Int, gradients m: Int, _ pageDirectory: String?, on world: Communicator
  ) throws {
    let partition = CellPartition(Cells(parameterCount: parameters), over: world.size)
    let rows = try GradientRows(
      count: m, blocks: partition.cellsInSlice(of: world.rank), pagedIn: pageDirectory)
    let slice = Buffer<Float>(count: rows.sliceCount)
    for row in 0...m {
      let random = CounterRandom(seed: 1, stream: UInt64(row))
      for i in 0..<slice.count {
        slice.pointer[i] = Float(
          random.uniform(at: UInt64(partition.slice(of: world.rank).lowerBound + i)) - 0.5)
      }
      // The last row is the weights.
      if row < m { rows.store(UnsafeBufferPointer(slice.all), row: row) }
    }
    surgeon = BrainSurgeon(
      rows: rows, partition: partition, weights: UnsafeBufferPointer(slice.all), damping: 1e-3,
      rank: world.rank)
    (self.world, count) = (world, slice.count)
  }

  /// Computes the scores of all weights. Collective.
  func scores() throws {
    _ = try surgeon.coordinates(removing: [Bool](repeating: false, count: count), on: world)
  }

  /// Updates a tenth of the weights for the removal of the others. Collective.
  func update() throws {
    _ = try surgeon.update(.joint, removing: (0..<count).map { $0 % 10 != 0 }, on: world)
  }
}
