import ArgumentParser
import Curvature
import Foundation
import LinearAlgebra
import Sharding

/// Times what M-FAC does beside the gradient, on one core: the Gram row, the factor with its solve, and
/// the direction.
struct WindowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "window",
    abstract: "The two passes over a full window of gradients, beside streaming reads.")

  @Option(help: "d, columns of the window.")
  var parameters = 1_000_000

  @Option(parsing: .upToNextOption, help: "m, gradients in the window; each makes a table.")
  var windows = [256, 1024]

  @Option(help: "Steps to measure.")
  var steps = 9

  func validate() throws {
    for (name, value) in [("--parameters", parameters), ("--steps", steps)] {
      guard (1...1_000_000_000).contains(value) else {
        throw ValidationError("\(name): expected in 1...1000000000, got \(value)")
      }
    }
    for m in windows where !(1...100_000).contains(m) {
      throw ValidationError("--windows: expected in 1...100000, got \(m)")
    }
  }

  func run() throws {
    print("d = \(parameters), one thread, OpenBLAS core type \(BLAS.coreType)")
    for m in windows { try measure(m) }
  }

  private func measure(_ m: Int) throws {
    let cells = Cells(parameterCount: parameters)
    let fisher = DampedFisher(
      window: GradientWindow(capacity: m, cells: (0..<cells.count).map(cells.range(of:))),
      damping: 1e-4)
    let direction = Buffer<Float>(count: parameters)
    let gradient = Buffer<Float>(count: parameters)
    var state: UInt64 = 1
    func draw() -> UnsafeBufferPointer<Float> {
      for i in 0..<parameters {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        gradient.pointer[i] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
      }
      return UnsafeBufferPointer(gradient.all)
    }
    // Random gradients are nearly orthogonal: their Gram matrix need not be computed to fill it.
    for slot in 0..<m {
      var products = [Double](repeating: 0, count: slot + 1)
      products[slot] = Double(parameters) / 3
      try fisher.insert(draw(), products: products)
    }

    let bytes = m * parameters * MemoryLayout<Float>.stride
    let memory = Buffer<Float>(count: min(m * parameters, 1 << 28))
    var seconds: [String: [Double]] = [:]
    var sum: Float = 0
    func time(_ name: String, _ body: () throws -> Void) rethrows {
      let start = ContinuousClock.now
      try body()
      seconds[name, default: []].append((ContinuousClock.now - start) / .seconds(1))
    }
    for _ in 0..<steps {
      let g = draw()
      var products: [Double] = []
      var slot = 0
      time("streaming") { sum += MixedPrecision.streamingSum(UnsafeBufferPointer(memory.all)) }
      time("Gram row") { products = fisher.window.products(with: g, inserting: true) }
      try time("factor") { slot = try fisher.insert(g, products: products) }
      time("direction") { fisher.direction(forSlot: slot, into: direction.all) }
    }
    precondition(sum == 0, "zeros sum to \(sum)")

    func median(_ name: String) -> Double { seconds[name]!.sorted()[steps / 2] }
    let streaming = Double(4 * memory.count) / median("streaming")
    print(
      "m = \(m): \(bytes / 1_000_000) MB, streaming reads at \(format(streaming / 1e9, 1)) GB/s")
    for name in ["Gram row", "direction", "factor"] {
      let time = median(name)
      var columns = ["\(format(1000 * time, 2)) ms"]
      if name != "factor" {
        let rate = Double(bytes) / time
        columns += ["\(format(rate / 1e9, 1)) GB/s", "\(format(rate / streaming, 2)) streaming"]
      }
      print(row("  \(name)", columns))
    }
  }

  private func format(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}
