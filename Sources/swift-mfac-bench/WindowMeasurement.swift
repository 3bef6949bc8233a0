import Curvature
import LinearAlgebra
import Optimizers
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

  /// Windows of `m` gradients in several forms, which take turns: what else the machine does
  /// meanwhile falls on all alike.
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

/// A window filled with random gradients.
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

  /// A step of M-FAC, and a read of `memory`, which holds zeros.
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
