import Formats
import LinearAlgebra
import MPI
import Pruning
import Sharding

/// A trained model that is pruned, or asked about its curvature: its weights, and gradients of its
/// loss.
public protocol TrainedModel {
  /// What it is, for people.
  var name: String { get }
  /// Of what its gradients are, for people.
  var data: String { get }
  /// The tensors of the weights, in the order of the vector [d].
  var tensors: [WeightFile.Tensor] { get }
  /// What else is in its file, of which there are no gradients.
  var others: [TensorContent] { get }
  /// For each of the tensors how many multiply-adds of an example each of its weights takes part
  /// in; nil where that is not known.
  var multiplyAddsPerWeight: [Int]? { get }
  /// [d], as read; the same on all ranks.
  var weights: Buffer<Float> { get }

  /// Prepares to collect rows of gradients; checks that there is the memory for them. Collective.
  ///
  /// - Parameters:
  ///   - partition: the columns that each rank gets.
  ///   - heldOut: of so many examples or rows how many are held out to judge by; 0 for none.
  ///   - pages: a directory for rows that are held out; in memory where there is none.
  ///   - kept: bytes that this rank will keep of m rows, and of what it makes of them.
  /// - Returns: the rows, of other examples than those that are held out, and who judges by these.
  func gradients(
    of partition: CellPartition, holdingOut heldOut: (Int) throws -> Int, pagedIn pages: String?,
    kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> (source: any GradientSource, judge: (any HeldOutJudge<Float>)?)

  /// Loss and accuracy on the test part of its data, with these weights; nil where there are none.
  /// Collective.
  func evaluation(of weights: Buffer<Float>, on world: Communicator) throws -> Evaluation?

  /// Writes the model's file with these weights. On one rank.
  func write(_ weights: Buffer<Float>, to path: String) throws
}

extension TrainedModel {
  /// d
  public var count: Int { weights.count }

  /// Prepares to collect rows of gradients of all examples. Collective.
  public func gradients(
    of partition: CellPartition, kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> any GradientSource {
    try gradients(of: partition, holdingOut: { _ in 0 }, pagedIn: nil, kept: kept, on: world).source
  }
}

/// Rows of gradients, whose columns are those of a vector of weights.
public protocol GradientSource {
  /// m, as many as are asked for.
  var rowCount: Int { get }

  /// Gives this rank its columns of each row in turn. Collective.
  ///
  /// - Parameters:
  ///   - rows: any of a network, that of a file's from 0 to `rowCount`.
  ///   - weights: [d], at which the gradients of a network are taken; the same on all ranks.
  ///   - store: is given a row's number and its columns of this rank; it lasts for the call.
  /// - Throws: on all ranks together where a row is not finite; rows before it may have been
  ///   stored.
  func collect(
    rows: Range<Int>, at weights: Buffer<Float>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Float>) throws -> Void
  ) throws
}
