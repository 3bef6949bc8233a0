import Curvature
import LinearAlgebra
import Sharding

/// A full window's steps, timed part by part: medians, in seconds.
struct WindowMeasurement {
  let window: Int
  let form: WindowForm
  /// Of the rows, which each pass reads once.
  let bytes: Int
  /// Bytes in a second that a core reads one after another, measured between the steps.
  let streaming: Double
  /// A gradient is brought to the window's form.
  let stage: Double
  let gramRow: Double
  let factor: Double
  let direction: Double
  /// The Gram row and the direction.
  let passes: Double

  init(parameters: Int, window m: Int, form: WindowForm, steps: Int) throws {
    let cells = Cells(parameterCount: parameters)
    let ranges = (0..<cells.count).map(cells.range(of:))
    let fisher = DampedFisher(
      window: GradientWindow(capacity: m, cells: ranges, form: form), damping: 1e-4)
    let direction = Buffer<Float>(count: parameters)
    let gradient = Buffer<Float>(count: parameters)
    let g = UnsafeBufferPointer(gradient.all)
    var state: UInt64 = 1
    func draw() {
      for i in 0..<parameters {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        gradient.pointer[i] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
      }
    }
    // Random gradients are nearly orthogonal: their Gram matrix need not be computed to fill it.
    for slot in 0..<m {
      draw()
      fisher.window.stage(gradient.all)
      var products = [Double](repeating: 0, count: slot + 1)
      products[slot] = MixedPrecision.dot(g, g)
      try fisher.insert(g, products: products)
    }

    let memory = Buffer<Float>(count: min(m * parameters, 1 << 28))
    var seconds: [String: [Double]] = [:]
    var sum: Float = 0
    func time(_ name: String, _ body: () throws -> Void) rethrows {
      let start = ContinuousClock.now
      try body()
      seconds[name, default: []].append((ContinuousClock.now - start) / .seconds(1))
    }
    for _ in 0..<steps {
      draw()
      var products: [Double] = []
      var slot = 0
      time("streaming") { sum += MixedPrecision.streamingSum(UnsafeBufferPointer(memory.all)) }
      time("stage") { fisher.window.stage(gradient.all) }
      time("Gram row") { products = fisher.window.products(with: g, inserting: true) }
      try time("factor") { slot = try fisher.insert(g, products: products) }
      time("direction") { fisher.direction(forSlot: slot, into: direction.all) }
    }
    precondition(sum == 0, "zeros sum to \(sum)")

    func median(_ times: [Double]) -> Double { times.sorted()[steps / 2] }
    self.window = m
    self.form = form
    bytes = GradientWindow.rowBytes(capacity: m, cells: ranges, form: form)
    streaming = Double(4 * memory.count) / median(seconds["streaming"]!)
    stage = median(seconds["stage"]!)
    gramRow = median(seconds["Gram row"]!)
    factor = median(seconds["factor"]!)
    self.direction = median(seconds["direction"]!)
    passes = median(zip(seconds["Gram row"]!, seconds["direction"]!).map { $0 + $1 })
  }
}
