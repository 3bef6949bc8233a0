import Curvature
import LinearAlgebra
import Sharding

/// A full window's steps, timed part by part: medians, in seconds.
struct WindowMeasurement {
  let parameters: Int
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
    var random = RandomGradients()
    // Random gradients are nearly orthogonal: their Gram matrix need not be computed to fill it.
    for slot in 0..<m {
      random.next(gradient.all)
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
      random.next(gradient.all)
      var products: [Double] = []
      var slot = 0
      time("streaming") { sum += MixedPrecision.streamingSum(UnsafeBufferPointer(memory.all)) }
      time("stage") { fisher.window.stage(gradient.all) }
      time("Gram row") { products = fisher.window.products(with: g, inserting: true) }
      try time("factor") { slot = try fisher.insert(g, products: products) }
      time("direction") { fisher.direction(forSlot: slot, into: direction.all) }
    }
    precondition(sum == 0, "zeros sum to \(sum)")

    self.parameters = parameters
    self.window = m
    self.form = form
    bytes = GradientWindow.rowBytes(capacity: m, cells: ranges, form: form)
    streaming = Double(4 * memory.count) / seconds["streaming"]!.median
    stage = seconds["stage"]!.median
    gramRow = seconds["Gram row"]!.median
    factor = seconds["factor"]!.median
    self.direction = seconds["direction"]!.median
    passes = zip(seconds["Gram row"]!, seconds["direction"]!).map { $0 + $1 }.median
  }
}
