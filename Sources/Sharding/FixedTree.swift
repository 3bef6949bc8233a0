/// Represents a node of a binary tree over leaves 0, 1, …. It covers those of the leaves
/// [index·2^level, (index + 1)·2^level) that exist.
public struct TreeNode: Sendable, Equatable {
  /// Height in the tree: 0 for a leaf.
  public let level: Int
  /// Position among the nodes of its level, from 0.
  public let index: Int

  @inlinable init(level: Int, index: Int) {
    self.level = level
    self.index = index
  }
}

/// Computes a sum in the order of one fixed binary tree over `leaves` indices, independent of who
/// adds which part.
///
/// A node's value is its left child's plus its right child's, or the left child's alone if the
/// right one has no leaves. The tree depends on the number of leaves alone, so a sum's bits do too.
///
/// Values are added from left to right. Siblings are joined as soon as both are present, so at most
/// two values wait on each level. `nodes` then holds the largest complete nodes of the leaves added
/// so far. A rank sends its nodes; a receiver adds the nodes of all ranks in order and obtains the
/// root.
public struct FixedTree<Value> {
  /// Leaves of the tree; the sum is complete once all of them have been added.
  public let leaves: Int
  @usableFromInline var complete: [(node: TreeNode, value: Value)] = []
  @usableFromInline let join: (Value, Value) -> Value

  /// Creates an empty sum.
  ///
  /// - Parameter join: returns the sum of a left and a right value; it may reuse the storage of
  ///   either.
  @inlinable
  public init(leaves: Int, join: @escaping (Value, Value) -> Value) {
    self.leaves = leaves
    self.join = join
  }

  /// Adds the value of a leaf.
  @inlinable
  public mutating func add(leaf index: Int, _ value: Value) {
    add(TreeNode(level: 0, index: index), value)
  }

  /// Adds the value of a node, and joins it with its left sibling while the parent is complete.
  @inlinable
  public mutating func add(_ node: TreeNode, _ value: Value) {
    var node = node
    var value = value
    while 1 << node.level < leaves {
      if node.index % 2 == 1 {
        guard let left = complete.last,
          left.node == TreeNode(level: node.level, index: node.index - 1)
        else { break }
        value = join(left.value, value)
        complete.removeLast()
      } else if (node.index + 1) << node.level < leaves {
        break
      }
      node = TreeNode(level: node.level + 1, index: node.index / 2)
    }
    complete.append((node, value))
  }

  /// The largest complete nodes of the leaves added so far, from left to right.
  @inlinable
  public var nodes: [(node: TreeNode, value: Value)] { complete }

  /// The sum over all leaves, available once all have been added.
  @inlinable
  public var root: Value {
    precondition(
      nodes.count == 1 && nodes[0].node.index == 0 && 1 << nodes[0].node.level >= leaves,
      "a sum over \(leaves) leaves was left with the nodes \(nodes.map(\.node))")
    return nodes[0].value
  }
}

extension FixedTree<Void> {
  /// Returns the largest complete nodes of the leaves in `range`: the rank that owns these leaves
  /// sends them.
  public static func cover(_ range: Range<Int>, of leaves: Int) -> [TreeNode] {
    var tree = FixedTree(leaves: leaves) { _, _ in }
    for leaf in range { tree.add(leaf: leaf, ()) }
    return tree.nodes.map(\.node)
  }
}

extension FixedTree<Int> {
  /// Creates a sum of vectors. Values are row indices of `storage`; a join adds the right row to
  /// the left row in place.
  ///
  /// - Parameters:
  ///   - storage: shape [.., width].
  public static func rows(
    of storage: UnsafeMutablePointer<Double>, width: Int, leaves: Int
  ) -> FixedTree {
    FixedTree(leaves: leaves) { left, right in
      for i in 0..<width { storage[left * width + i] += storage[right * width + i] }
      return left
    }
  }
}
