import LinearAlgebra
import RandomNumbers

/// Selects some examples of a part, in its own order.
public struct ExampleSubset: Examples {
  private let whole: any Examples
  /// Indices in `whole`.
  private let members: [Int]

  public var count: Int { members.count }
  public var inputShape: [Int] { whole.inputShape }
  public var targets: TargetKind { whole.targets }
  public var source: String { whole.source }
  public var byteCount: Int { whole.byteCount }

  /// Creates a subset.
  ///
  /// - Parameter members: distinct indices in `whole`.
  public init(of whole: any Examples, members: [Int]) {
    self.whole = whole
    self.members = members
  }

  /// Draws `count` held-out examples by the seed; returns them and the rest, both in the order of
  /// `whole`.
  public static func split(
    _ whole: any Examples, holdingOut count: Int, seed: UInt64
  ) -> (heldOut: ExampleSubset, rest: ExampleSubset) {
    precondition((0...whole.count).contains(count), "\(count) of \(whole.count) examples")
    // Streams below 4·2³² draw initial values, batches, augmentation and splits.
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
