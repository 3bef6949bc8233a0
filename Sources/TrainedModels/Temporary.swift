import Datasets
import Formats
import LinearAlgebra
import Pruning

package func temporary<E, F>(_ x: UnsafeMutableBufferPointer<E>, _: F.Type)
  -> UnsafeMutableBufferPointer<F>
{
  precondition(E.self == F.self)
  return UnsafeMutableBufferPointer(
    start: UnsafeMutableRawPointer(x.baseAddress)?.assumingMemoryBound(to: F.self), count: x.count)
}
package func temporary<E, F>(_ x: UnsafeBufferPointer<E>, _: F.Type) -> UnsafeBufferPointer<F> {
  precondition(E.self == F.self)
  return UnsafeBufferPointer(
    start: UnsafeRawPointer(x.baseAddress)?.assumingMemoryBound(to: F.self), count: x.count)
}
extension Examples {
  func fill<E: Scalar>(
    inputs: UnsafeMutableBufferPointer<E>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    fill(inputs: temporary(inputs, Float.self), with: indices, epoch: epoch)
  }
  func fill<E: Scalar>(values: UnsafeMutableBufferPointer<E>, with indices: ArraySlice<Int>) {
    fill(values: temporary(values, Float.self), with: indices)
  }
}
extension GradientFile {
  func forEachRow<E: Scalar>(
    of c: Range<Int>, rows: Range<Int>, _ b: (Int, UnsafeBufferPointer<E>) throws -> Void
  ) throws {
    let f: (Int, UnsafeBufferPointer<Float>) throws -> Void = { try b($0, temporary($1, E.self)) }
    try forEachRow(of: c, rows: rows, f)
  }
}
extension WeightFile {
  func read<E: Scalar>(into w: UnsafeMutableBufferPointer<E>) throws {
    let f: UnsafeMutableBufferPointer<Float> = temporary(w, Float.self)
    try read(into: f)
  }
  func write<E: Scalar>(_ w: UnsafeBufferPointer<E>, to p: String) throws {
    let f: UnsafeBufferPointer<Float> = temporary(w, Float.self)
    try write(f, to: p)
  }
}
extension UnsafeBufferPointer where Element: Scalar {
  var firstNonFinite: Int? { firstIndex { !$0.isFinite } }
}
