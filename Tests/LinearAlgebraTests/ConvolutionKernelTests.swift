import CKernels
import LinearAlgebra
import RandomNumbers
import Testing

/// Compares the kernels of every level that this CPU has with loops over the definition.
@Suite struct ConvolutionKernelTests {
  struct Geometry: Sendable, CustomTestStringConvertible {
    var height = 7
    var width = 6
    var channels = 5
    var outputs = 7
    var kernel = 3
    var stride = 1
    var padding = 1

    var testDescription: String {
      "\(height)×\(width)×\(channels) to \(outputs), \(kernel)/\(stride)/\(padding)"
    }

    var window: SlidingWindow {
      SlidingWindow(
        height: height, width: width, channels: channels, kernel: kernel, stride: stride,
        padding: padding)
    }

    var geometry: ck_window {
      ck_window(
        height: height, width: width, channels: channels, kernel: kernel, stride: stride,
        padding: padding, output_height: window.outputHeight, output_width: window.outputWidth)
    }
  }

  static let examples = 3

  /// Covers blocks of 8 (double) and 16 (single) features: none, one, two and more, with and
  /// without a remainder. Lines exceed a tile; strides are below, at and above the kernel; padding
  /// exceeds it.
  static let geometries: [Geometry] =
    [1, 2, 3, 5].flatMap { kernel in
      [1, 2, 3].flatMap { stride in
        [0, 1, 2, 4].map { Geometry(kernel: kernel, stride: stride, padding: $0) }
      }
    } + [
      Geometry(channels: 1, outputs: 16), Geometry(channels: 3, outputs: 17),
      Geometry(channels: 8, outputs: 8), Geometry(channels: 16, outputs: 32),
      Geometry(channels: 33, outputs: 24), Geometry(channels: 20, outputs: 49, stride: 2),
      Geometry(height: 3, width: 40, channels: 2), Geometry(height: 1, width: 1, channels: 40),
      Geometry(height: 5, width: 17, channels: 17, outputs: 16, kernel: 1, padding: 0),
    ]

  static let levels = (0...max(Int(ck_x86_level()), 0)).map { Int32($0) }

  @Test(
    "kernels in double precision equal loops over the definition",
    arguments: geometries, levels)
  func doubleKernels(_ g: Geometry, level: Int32) {
    // Sums of up to a thousand products, in another order.
    check(
      g, tolerance: 1e-14,
      convolve: { ck_convolve_f64(level, $0, $1, Self.examples, $2, $3, $4, $5, $6, $7) },
      adjoint: { ck_convolve_adjoint_f64(level, $0, $1, Self.examples, $2, $3, $4, $5, $6) },
      gradient: { ck_weight_gradient_f64(level, $0, $1, Self.examples, $2, $3, $4, $5) })
  }

  @Test(
    "kernels in single precision equal loops over the definition",
    arguments: geometries, levels)
  func singleKernels(_ g: Geometry, level: Int32) {
    check(
      g, tolerance: 2e-6,
      convolve: { ck_convolve_f32(level, $0, $1, Self.examples, $2, $3, $4, $5, $6, $7) },
      adjoint: { ck_convolve_adjoint_f32(level, $0, $1, Self.examples, $2, $3, $4, $5, $6) },
      gradient: { ck_weight_gradient_f32(level, $0, $1, Self.examples, $2, $3, $4, $5) })
  }

  @Test(
    "every CPU with fused multiply-add gives the same bits",
    .enabled(if: ck_x86_level() > 3, "this CPU has no AVX-512 kernels to compare with"),
    arguments: geometries)
  func fusedBits(_ g: Geometry) {
    let window = g.window
    let sizes = ConvolutionSizes(window, outputs: g.outputs, of: Float.self)
    var geometry = g.geometry
    let x = fractions(Self.examples * g.height * g.width * g.channels, stream: 1)
    let w = fractions(g.outputs * window.patchCount, stream: 2)
    let dy = fractions(Self.examples * window.positionCount * g.outputs, stream: 3)
    let scratch = Guarded<Float>(count: sizes.scratch)
    func results(_ level: Int32) -> [[UInt32]] {
      let packed = Guarded<Float>(count: sizes.packed)
      var y = dy
      var dx = x
      Float.packWeights(window, outputs: g.outputs, w, into: packed.pointer)
      ck_convolve_f32(
        level, &geometry, g.outputs, Self.examples, x, packed.pointer, nil, 1, scratch.pointer, &y)
      Float.packAdjointWeights(window, outputs: g.outputs, w, into: packed.pointer)
      ck_convolve_adjoint_f32(
        level, &geometry, g.outputs, Self.examples, dy, packed.pointer, 1, scratch.pointer, &dx)
      var dw = w
      ck_weight_gradient_f32(
        level, &geometry, g.outputs, Self.examples, x, dy, scratch.pointer, packed.pointer)
      Float.unpackWeights(window, outputs: g.outputs, packed.pointer, into: &dw)
      return [y, dx, dw].map { $0.map(\.bitPattern) }
    }
    #expect(results(3) == results(4))
  }

  typealias Window = UnsafePointer<ck_window>

  func check<Element: Scalar>(
    _ g: Geometry, tolerance: Double,
    convolve: (
      Window, Int, UnsafePointer<Element>, UnsafePointer<Element>, UnsafePointer<Element>?,
      Int32, UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>
    ) -> Void,
    adjoint: (
      Window, Int, UnsafePointer<Element>, UnsafePointer<Element>, Int32,
      UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>
    ) -> Void,
    gradient: (
      Window, Int, UnsafePointer<Element>, UnsafePointer<Element>, UnsafeMutablePointer<Element>,
      UnsafeMutablePointer<Element>
    ) -> Void
  ) {
    let window = g.window
    let imageCount = Self.examples * g.height * g.width * g.channels
    let outputCount = Self.examples * window.positionCount * g.outputs
    let x = random(imageCount, stream: 1)
    let w = random(g.outputs * window.patchCount, stream: 2)
    let b = random(g.outputs, stream: 3)
    let dy = random(outputCount, stream: 4)
    var y = (0..<outputCount).map { b[$0 % g.outputs] }
    var dx = random(imageCount, stream: 5)
    let dxBefore = dx
    var dw = [Double](repeating: 0, count: w.count)
    visit(g) { xi, wi, yi in
      y[yi] += x[xi] * w[wi]
      dx[xi] += dy[yi] * w[wi]
      dw[wi] += dy[yi] * x[xi]
    }

    let sizes = ConvolutionSizes(window, outputs: g.outputs, of: Element.self)
    var geometry = g.geometry
    let scratch = Guarded<Element>(count: sizes.scratch)
    let packed = Guarded<Element>(count: sizes.packed)
    let weights = w.map { Element($0) }

    let ours = Guarded<Element>(count: outputCount)
    Element.packWeights(window, outputs: g.outputs, weights, into: packed.pointer)
    convolve(
      &geometry, g.outputs, x.map { Element($0) }, packed.pointer, b.map { Element($0) },
      0, scratch.pointer, ours.pointer)
    #expect(error(ours, y) <= tolerance)
    convolve(
      &geometry, g.outputs, x.map { Element($0) }, packed.pointer, nil, 0, scratch.pointer,
      ours.pointer)
    #expect(error(ours, y.indices.map { y[$0] - b[$0 % g.outputs] }) <= tolerance)
    for (i, value) in dy.enumerated() { ours.pointer[i] = Element(value) }
    convolve(
      &geometry, g.outputs, x.map { Element($0) }, packed.pointer, nil, 1, scratch.pointer,
      ours.pointer)
    #expect(error(ours, y.indices.map { dy[$0] + y[$0] - b[$0 % g.outputs] }) <= tolerance)

    let ourWeights = Guarded<Element>(count: w.count)
    gradient(
      &geometry, g.outputs, x.map { Element($0) }, dy.map { Element($0) }, scratch.pointer,
      packed.pointer)
    Element.unpackWeights(
      window, outputs: g.outputs, packed.pointer, into: ourWeights.pointer)
    #expect(error(ourWeights, dw) <= tolerance)

    let ourInputs = Guarded<Element>(count: imageCount)
    Element.packAdjointWeights(window, outputs: g.outputs, weights, into: packed.pointer)
    adjoint(
      &geometry, g.outputs, dy.map { Element($0) }, packed.pointer, 0, scratch.pointer,
      ourInputs.pointer)
    #expect(error(ourInputs, zip(dx, dxBefore).map { $0 - $1 }) <= tolerance)
    for (i, value) in dxBefore.enumerated() { ourInputs.pointer[i] = Element(value) }
    adjoint(
      &geometry, g.outputs, dy.map { Element($0) }, packed.pointer, 1, scratch.pointer,
      ourInputs.pointer)
    #expect(error(ourInputs, dx) <= tolerance)
    for memory in [scratch, packed, ours, ourWeights, ourInputs] { #expect(memory.isWhole) }
  }

  /// Calls `body` with the indices of x, W and y for each product of the definition.
  func visit(_ g: Geometry, _ body: (Int, Int, Int) -> Void) {
    let window = g.window
    for position in 0..<Self.examples * window.positionCount {
      let example = position / window.positionCount
      let oy = position / window.outputWidth % window.outputHeight
      let ox = position % window.outputWidth
      for ky in 0..<g.kernel {
        for kx in 0..<g.kernel {
          let iy = oy * g.stride + ky - g.padding
          let ix = ox * g.stride + kx - g.padding
          guard (0..<g.height).contains(iy), (0..<g.width).contains(ix) else { continue }
          for o in 0..<g.outputs {
            for c in 0..<g.channels {
              body(
                ((example * g.height + iy) * g.width + ix) * g.channels + c,
                ((o * g.channels + c) * g.kernel + ky) * g.kernel + kx, position * g.outputs + o)
            }
          }
        }
      }
    }
  }

  /// Returns multiples of 1/64 in [−1, 1), exact in single precision.
  func random(_ count: Int, stream: UInt64) -> [Double] {
    let random = CounterRandom(seed: 1, stream: stream)
    return (0..<count).map { Double(random.integer(below: 128, at: UInt64($0)) - 64) / 64 }
  }

  /// Returns uniform numbers in [−1, 1), whose products are not exact.
  func fractions(_ count: Int, stream: UInt64) -> [Float] {
    let random = CounterRandom(seed: 1, stream: stream)
    return (0..<count).map { Float(2 * random.uniform(at: UInt64($0)) - 1) }
  }

  func error<Element: Scalar>(_ a: Guarded<Element>, _ b: [Double]) -> Double {
    let scale = b.reduce(1) { max($0, $1.magnitude) }
    return b.indices.reduce(0) { worst, i in
      let difference = (Double(a.pointer[i]) - b[i]).magnitude / scale
      return worst.isNaN || difference <= worst ? worst : difference
    }
  }
}

/// Memory filled with NaN, followed by guard elements that must remain NaN.
final class Guarded<Element: Scalar> {
  private let buffer: Buffer<Element>
  private let count: Int

  init(count: Int) {
    self.count = count
    buffer = Buffer(count: count + 64)
    buffer.all.update(repeating: .nan)
  }

  var pointer: UnsafeMutablePointer<Element> { buffer.pointer }
  var isWhole: Bool { (count..<count + 64).allSatisfy { buffer.pointer[$0].isNaN } }
}
