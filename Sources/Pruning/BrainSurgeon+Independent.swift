import Curvature
import LinearAlgebra
import MPI

extension BrainSurgeon {
  /// Of single weights q the update is `−(w_q/[F⁻¹]_qq) F⁻¹e_q`: their sum is `−F⁻¹z`, which in the kept
  /// weights is `GᵀS⁻¹Gz/λ`.
  func addIndependentUpdates(
    to updated: inout [Float], removing removed: [Bool], on world: Communicator
  ) throws {
    let z = Buffer<Double>(count: weights.count)
    let nothing = [Bool](repeating: false, count: weights.count)
    func ask(_ coordinates: [Removal.Coordinate], _ range: Range<Int>) {
      for (i, coordinate) in zip(range, coordinates) where removed[i] {
        z.pointer[i] = Double(weights.pointer[i]) / coordinate.inverse
      }
    }
    let (whole, coordinates) = try solved(removing: nothing, on: world) { block, removal, own in
      ask(own, rows.blocks[block])
      let change = Buffer<Double>(count: own.count)
      try removal.writeInverseProduct(
        of: rows, block: block, with: UnsafeBufferPointer(z.all), into: change.all)
      for i in change.all.indices { change.pointer[i] = -change.pointer[i] }
      add(change.all, ofBlock: block, to: &updated, removing: removed)
    }
    guard !isBlockwise else { return }
    ask(coordinates, 0..<weights.count)
    if let change = try named(damping, { try whole?.inverseProduct(Array(z.all)) }) {
      for (block, range) in rows.blocks.enumerated() {
        let part = Buffer<Double>(count: range.count)
        for i in range { part.pointer[i - range.lowerBound] = -change[i] }
        add(part.all, ofBlock: block, to: &updated, removing: removed)
      }
      return
    }
    let products = try rows.products(
      with: UnsafeBufferPointer(z.all), over: sum, on: world)
    guard let t = whole?.solve(products) else { return }
    for (block, range) in rows.blocks.enumerated() {
      let change = Buffer<Double>(count: range.count)
      rows.combine(t, block: block, into: change.all)
      for i in change.all.indices { change.pointer[i] /= damping }
      add(change.all, ofBlock: block, to: &updated, removing: removed)
    }
  }
}
