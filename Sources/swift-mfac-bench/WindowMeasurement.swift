import Curvature
import LinearAlgebra
import Optimizers
import Sharding

/// Measures the parts of a step with a full window: medians in seconds.
struct WindowMeasurement {
  let parameters: Int
  let window: Int
  let form: WindowForm
  /// Size of the window's rows in bytes; each pass reads them once.
  let bytes: Int
  /// Bytes per second of sequential reads on one core, measured between the steps.
  let streaming: Double
  /// Seconds for converting a gradient to the window's form.
  let stage: Double
  let gramRow: Double
  let factor: Double
  let direction: Double
  /// Seconds for the Gram row and the direction.
  let passes: Double

  /// Measures windows of `m` gradients in several forms. The forms take turns, so that other load
  /// on the machine affects all of them equally.
  static func measure(
    parameters: Int, window m: Int, forms: [WindowForm], steps: Int
  ) throws -> [WindowMeasurement] {
    let windows = try forms.map { try FullWindow(parameters: parameters, capacity: m, form: $0) }
    let memory = Buffer<Float>(count: min(m * parameters, 1 << 28))
    for _ in 0..<steps {
      for window in windows { try window.step(streaming: UnsafeBufferPointer(memory.all)) }
    }
    return windows.map { window in
      let seconds = window.seconds
      return WindowMeasurement(
        parameters: parameters, window: m, form: window.form, bytes: window.bytes,
        streaming: Double(4 * memory.count) / seconds["streaming"]!.median,
        stage: seconds["stage"]!.median, gramRow: seconds["Gram row"]!.median,
        factor: seconds["factor"]!.median, direction: seconds["direction"]!.median,
        passes: zip(seconds["Gram row"]!, seconds["direction"]!).map { $0 + $1 }.median)
    }
  }
}

/// Holds a window of random gradients.
private final class FullWindow {
  let form: WindowForm
  let bytes: Int
  private(set) var seconds: [String: [Double]] = [:]
  private let fisher: DampedFisher<Float>
  private let gradient: Buffer<Float>
  private let direction: Buffer<Float>
  private var random = RandomGradients()

  init(parameters: Int, capacity m: Int, form: WindowForm) throws {
    self.form = form
    let cells = Cells(parameterCount: parameters)
    let ranges = (0..<cells.count).map(cells.range(of:))
    bytes = GradientWindow<Float>.rowBytes(capacity: m, cells: ranges, form: form)
    fisher = DampedFisher(
      window: GradientWindow(capacity: m, cells: ranges, form: form), damping: 1e-4)
    gradient = Buffer(count: parameters)
    direction = Buffer(count: parameters)
    try fisher.fill(from: &random) { $0 }
  }

  /// Runs one step of M-FAC, and one read of `memory`, which holds zeros.
  func step(streaming memory: UnsafeBufferPointer<Float>) throws {
    random.next(gradient.all)
    let g = UnsafeBufferPointer(gradient.all)
    var sum: Float = 0
    var products: [Double] = []
    var slot = 0
    time("streaming") { sum = MixedPrecision.streamingSum(memory) }
    time("stage") { fisher.window.stage(gradient.all) }
    time("Gram row") { products = fisher.window.products(with: g, inserting: true) }
    try time("factor") { slot = try fisher.insert(g, products: products) }
    time("direction") { fisher.direction(forSlot: slot, into: direction.all) }
    precondition(sum == 0, "zeros sum to \(sum)")
  }

  private func time(_ name: String, _ body: () throws -> Void) rethrows {
    let start = ContinuousClock.now
    try body()
    seconds[name, default: []].append((ContinuousClock.now - start) / .seconds(1))
  }
}
