import LinearAlgebra

/// Sums the products of a micro-batch from which a layer's Kronecker factors are computed.
///
/// The sums are packed triangles and not scaled. So the sums of all micro-batches can be added in a
/// fixed tree, whichever rank computed them.
package final class KroneckerSums<Element: Scalar> {
  package let shape: KroneckerShape
  private let workspace: FactorWorkspace<Element>
  private let outputs: FactorSums<Element>

  /// Creates the sums of one layer.
  ///
  /// - Parameter workspace: made for a list of shapes that contains this one.
  package init(_ shape: KroneckerShape, workspace: FactorWorkspace<Element>) {
    self.shape = shape
    self.workspace = workspace
    outputs = FactorSums(shape.b)
  }

  /// Writes the packed sum for A: Σ x xᵀ over examples and positions, or Σₙ (Σₛ x)(Σₛ x)ᵀ.
  ///
  /// - Parameters:
  ///   - inputs: inputs of `examples` examples, at most as many as the workspace was made for.
  ///   - packed: [shape.a.packedCount], overwritten.
  package func sumInputs(
    _ inputs: LayerInputs<Element>, examples: Int, into packed: UnsafeMutablePointer<Element>
  ) {
    precondition(
      inputs.width == shape.inputs && examples <= workspace.examples,
      "\(examples) examples of \(inputs.width) inputs for \(workspace.examples) of \(shape.inputs)")
    let rows = workspace.rows.pointer
    let reduces = shape.axis == .reduce
    switch inputs {
    case .dense(let x, _) where reduces:
      Element.rowMeans(
        count: examples, rows: shape.positions, columns: shape.inputs, of: x, into: rows)
      let square = Double(shape.positions * shape.positions)
      pack(gram(rows, examples, factor: square), one: 1, factor: square, into: packed)
    case .dense(let x, _):
      pack(
        gram(x, examples * shape.positions, factor: 1), one: 1, factor: 1, into: packed)
    case .images(let x, let window) where reduces:
      patchSums(x, window, examples)
      pack(
        gram(rows, examples, factor: 1), one: Double(shape.positions), factor: 1,
        places: window.patchPlaces, into: packed)
    case .images(let x, let window):
      let count = examples * shape.positions
      addPatches(x, window, count)
      if shape.hasBias {
        patchSums(x, window, examples)
        columnSums(rows, examples)
      }
      pack(count, one: 1, factor: 1, places: window.patchPlaces, into: packed)
    case .tokens(let tokens, _):
      sum(tokens, examples, into: packed)
    }
  }

  /// Adds to the sum for B: Σ g gᵀ over examples and positions, or Σₙ of the products of g's means
  /// over the positions.
  ///
  /// - Parameters:
  ///   - gradients: g [N, S, d_out] for a vector ▲.
  ///   - scale: a factor for g that undoes an earlier division.
  package func addOutputGradients(
    _ gradients: UnsafePointer<Element>, examples: Int, scale: Double = 1
  ) {
    guard shape.b.form != .unit else { return }
    switch shape.axis {
    case .expand:
      outputs.add(gradients, count: examples * shape.positions, factor: scale * scale)
    case .reduce:
      Element.rowMeans(
        count: examples, rows: shape.positions, columns: shape.outputs, of: gradients,
        into: workspace.rows.pointer)
      outputs.add(workspace.rows.pointer, count: examples, factor: scale * scale)
    }
  }

  /// Writes the packed sum for B of all vectors added since the last call, [shape.b.packedCount].
  package func finishOutputs(into packed: UnsafeMutablePointer<Element>) {
    outputs.finish(into: packed)
  }

  // MARK: Inputs

  /// Writes `factor`·MᵀM into the workspace, and the sum of M's rows if there is a bias; returns
  /// the number of rows.
  private func gram(_ m: UnsafePointer<Element>, _ rows: Int, factor: Double) -> Int {
    Element.addGram(
      rows: rows, columns: shape.inputs, alpha: Element(factor), m, beta: 0,
      to: workspace.matrix.pointer)
    if shape.hasBias { columnSums(m, rows) }
    return rows
  }

  private func columnSums(_ m: UnsafePointer<Element>, _ rows: Int) {
    Element.columnSums(
      rows: rows, columns: shape.inputs, of: m, into: workspace.sums.pointer)
  }

  private func patchSums(_ x: UnsafePointer<Element>, _ window: SlidingWindow, _ examples: Int) {
    Element.patchSums(
      window, examples: examples, of: x, scratch: workspace.sums.pointer,
      into: workspace.rows.pointer)
  }

  /// Adds up PᵀP over all patches P, in chunks of rows that stay in the cache.
  private func addPatches(_ x: UnsafePointer<Element>, _ window: SlidingWindow, _ count: Int) {
    let step = FactorWorkspace<Element>.patchRows(width: shape.inputs)
    for start in stride(from: 0, to: count, by: step) {
      let range = start..<min(start + step, count)
      Element.patches(window, rows: range, of: x, into: workspace.rows.pointer)
      Element.addGram(
        rows: range.count, columns: shape.inputs, alpha: 1, workspace.rows.pointer,
        beta: start == 0 ? 0 : 1, to: workspace.matrix.pointer)
    }
  }

  /// Packs the workspace's matrix, and for a bias the row (one·factor·sums, one²·factor·rows).
  private func pack(
    _ rows: Int, one: Double, factor: Double, places: [Int32]? = nil,
    into packed: UnsafeMutablePointer<Element>
  ) {
    let width = shape.inputs
    if let places {
      places.withUnsafeBufferPointer {
        Element.packLower(
          order: width, workspace.matrix.pointer, stride: width, places: $0.baseAddress,
          into: packed)
      }
    } else {
      Element.packLower(
        order: width, workspace.matrix.pointer, stride: width, places: nil, into: packed)
    }
    guard shape.hasBias else { return }
    let row = packed + width * (width + 1) / 2
    for i in 0..<width {
      let place = places.map { Int($0[i]) } ?? i
      row[i] = Element(one * factor) * workspace.sums.pointer[place]
    }
    row[width] = Element(one * one * factor * Double(rows))
  }

  /// Counts each token; with `reduce` sums the products of an example's counts.
  private func sum(
    _ tokens: UnsafePointer<Element>, _ examples: Int, into packed: UnsafeMutablePointer<Element>
  ) {
    if shape.a.form == .diagonal {
      packed.update(repeating: 0, count: shape.inputs)
      for i in 0..<examples * shape.positions { packed[Int(tokens[i])] += 1 }
      return
    }
    let counts = workspace.rows.pointer
    counts.update(repeating: 0, count: examples * shape.inputs)
    for i in 0..<examples * shape.positions {
      counts[i / shape.positions * shape.inputs + Int(tokens[i])] += 1
    }
    pack(gram(counts, examples, factor: 1), one: 1, factor: 1, into: packed)
  }
}

/// Provides the memory that the sums of several layers share, one after another.
package final class FactorWorkspace<Element: Scalar> {
  let examples: Int
  let matrix: Buffer<Element>
  let rows: Buffer<Element>
  let sums: Buffer<Element>

  /// Allocates memory for the largest of the shapes.
  ///
  /// - Parameter examples: the largest number of examples in a call.
  package init(for shapes: [KroneckerShape], examples: Int) {
    self.examples = examples
    let dense = shapes.filter { $0.a.form == .dense }.map(\.inputs)
    matrix = Buffer(count: dense.map { $0 * $0 }.max() ?? 0)
    rows = Buffer(
      count: max(
        dense.map { $0 * max(examples, Self.patchRows(width: $0)) }.max() ?? 0,
        shapes.map { $0.outputs * examples }.max() ?? 0))
    sums = Buffer(count: shapes.map(\.inputs).max() ?? 0)
  }

  /// Returns the number of patches of `width` elements formed before a product: about 1 MB.
  static func patchRows(width: Int) -> Int {
    max(64, (1 << 20) / (MemoryLayout<Element>.stride * width))
  }
}
