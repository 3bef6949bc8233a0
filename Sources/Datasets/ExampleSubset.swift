import LinearAlgebra
import RandomNumbers

/// Some examples of a part, in an order of their own.
public struct ExampleSubset: Examples {
  private let whole: any Examples
  /// Indices in the whole.
  private let members: [Int]

  /// Examples in the subset.
  public var count: Int { members.count }
  public var inputShape: [Int] { whole.inputShape }
  /// What is asked of an example, as in the whole.
  public var targets: TargetKind { whole.targets }
  public var source: String { whole.source }
  public var byteCount: Int { whole.byteCount }

  /// - Parameter members: indices in `whole`, none of them twice.
  public init(of whole: any Examples, members: [Int]) {
    self.whole = whole
    self.members = members
  }

  /// `count` examples that are held out, drawn by a seed, and the others, both in the order of the
  /// whole.
  public static func split(
    _ whole: any Examples, holdingOut count: Int, seed: UInt64
  ) -> (heldOut: ExampleSubset, rest: ExampleSubset) {
    precondition((0...whole.count).contains(count), "\(count) of \(whole.count) examples")
    // Past the streams of initial values, batches, augmentation and the split into parts.
    let order = CounterRandom(seed: seed, stream: 4 << 32).permutation(count: whole.count)
    return (
      ExampleSubset(of: whole, members: order[..<count].sorted()),
      ExampleSubset(of: whole, members: order[count...].sorted())
    )
  }

  public func indexInSource(_ index: Int) -> Int { whole.indexInSource(members[index]) }

  public func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    whole.fill(inputs: inputs, with: inWhole(indices), epoch: epoch)
  }

  public func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    whole.fill(classes: classes, with: inWhole(indices))
  }

  public func fill<Element: Scalar>(
    values: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>
  ) {
    whole.fill(values: values, with: inWhole(indices))
  }

  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { whole.withBytes(body) }

  private func inWhole(_ indices: ArraySlice<Int>) -> ArraySlice<Int> {
    indices.map { members[$0] }[...]
  }
}
