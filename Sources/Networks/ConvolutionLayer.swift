import LinearAlgebra

/// y = P Wᵀ + b with P the patches of x, a block of rows at a time.
///
///   x [n, h, w, in], P [n·positions, K] with K = kernel·kernel·in, y [n·positions, out]
///   W [out, in, kernel, kernel] as parameters; here [out, K] in the order of patches, or [K, out]
struct ConvolutionLayer<Element: Scalar>: Layer {
  let window: SlidingWindow
  let outputs: Int
  let hasBias: Bool
  /// Rows of a block of patches.
  private let blockRows: Int

  init(window: SlidingWindow, outputs: Int, hasBias: Bool) {
    self.window = window
    self.outputs = outputs
    self.hasBias = hasBias
    // OpenBLAS multiplies without copying up to a million products a call, which is the fastest
    // where that makes at least a few rows; larger products want the more rows the better, but in
    // cache.
    let small = 1_000_000 / (outputs * window.patchCount)
    let cached = (512 << 10) / (MemoryLayout<Element>.stride * window.patchCount)
    blockRows = max(1, small >= 96 ? min(small, cached) : cached)
  }

  private var inner: Int { window.patchCount }
  private var weightCount: Int { outputs * inner }

  var outputCount: Int { window.positionCount * outputs }
  var outputPlace: OutputPlace { .own }
  var canAccumulate: Bool { true }
  /// Weights in the order of patches and transposed, or their gradient; then a block of patches.
  var scratchCount: Int { 2 * weightCount + blockRows * inner }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let ordered = call.scratch
    let transposed = call.scratch + weightCount
    orderWeights(call.parameters, into: ordered)
    Element.transpose(count: 1, rows: outputs, columns: inner, ordered, into: transposed)
    forEachBlock(call) { rows, patches in
      Element.patches(window, rows: rows, of: x, into: patches)
      let block = y + rows.lowerBound * outputs
      Element.product(
        rows: rows.count, columns: outputs, inner: inner, alpha: 1,
        a: patches, strideA: inner, transposeA: false,
        b: transposed, strideB: outputs, transposeB: false,
        beta: 0, c: block, strideC: outputs)
      if hasBias {
        Element.addBias(
          rows: rows.count, columns: outputs, bias: call.parameters + weightCount, to: block)
      }
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>
  ) {
    let ordered = call.scratch
    let orderedGradient = call.scratch + weightCount
    if let dx = places.dx {
      orderWeights(call.parameters, into: ordered)
      if !places.accumulates {
        dx.update(
          repeating: 0, count: call.examples * window.height * window.width * window.channels)
      }
    }
    forEachBlock(call) { rows, patches in
      // ∂W = dyᵀ P, summed over the blocks; then dP = dy W takes the place of P.
      Element.patches(window, rows: rows, of: x, into: patches)
      let block = places.dy + rows.lowerBound * outputs
      Element.product(
        rows: outputs, columns: inner, inner: rows.count, alpha: 1,
        a: block, strideA: outputs, transposeA: true,
        b: patches, strideB: inner, transposeB: false,
        beta: rows.lowerBound == 0 ? 0 : 1, c: orderedGradient, strideC: inner)
      if let dx = places.dx {
        Element.product(
          rows: rows.count, columns: inner, inner: outputs, alpha: 1,
          a: block, strideA: outputs, transposeA: false,
          b: ordered, strideB: inner, transposeB: false,
          beta: 0, c: patches, strideC: inner)
        Element.addPatches(window, rows: rows, patches, to: dx)
      }
    }
    Element.transpose(
      count: outputs, rows: window.kernel * window.kernel, columns: window.channels,
      orderedGradient, into: gradient)
    if hasBias {
      Element.columnSums(
        rows: call.examples * window.positionCount, columns: outputs, of: places.dy,
        into: gradient + weightCount)
    }
    if let observer = call.observer { show(observer, call, x, places.dy) }
  }

  /// Gives an observer one example after another, its patches in the order of the weights.
  private func show(
    _ observer: (LayerStatistics<Element>) -> Void, _ call: LayerCall<Element>,
    _ x: UnsafePointer<Element>, _ dy: UnsafePointer<Element>
  ) {
    let positions = window.positionCount
    let patches = Buffer<Element>(count: 2 * positions * inner)
    let ordered = patches.pointer + positions * inner
    for example in 0..<call.examples {
      let rows = example * positions..<(example + 1) * positions
      Element.patches(window, rows: rows, of: x, into: patches.pointer)
      Element.transpose(
        count: positions, rows: window.kernel * window.kernel, columns: window.channels,
        patches.pointer, into: ordered)
      observer(
        LayerStatistics(
          weight: call.weightTensor, examples: example..<example + 1, positions: positions,
          inputs: .dense(UnsafeBufferPointer(start: ordered, count: positions * inner)),
          outputGradients: UnsafeBufferPointer(
            start: dy + rows.lowerBound * outputs, count: positions * outputs)))
    }
  }

  /// [out, in, kernel·kernel] to [out, kernel·kernel, in].
  private func orderWeights(
    _ weights: UnsafePointer<Element>, into ordered: UnsafeMutablePointer<Element>
  ) {
    Element.transpose(
      count: outputs, rows: window.channels, columns: window.kernel * window.kernel, weights,
      into: ordered)
  }

  private func forEachBlock(
    _ call: LayerCall<Element>, _ body: (Range<Int>, UnsafeMutablePointer<Element>) -> Void
  ) {
    let end = call.examples * window.positionCount
    for first in stride(from: 0, to: end, by: blockRows) {
      body(first..<min(first + blockRows, end), call.scratch + 2 * weightCount)
    }
  }
}
