import Formats
import LinearAlgebra
import MPI
import Pruning
import Sharding

/// A trained model that is pruned or queried for its curvature; provides its weights and gradients
/// of its loss.
public protocol TrainedModel<Element> {
  /// The scalar of weights and gradients.
  associatedtype Element: Scalar

  /// Human-readable name of the model.
  var name: String { get }
  /// Human-readable source of the gradients.
  var data: String { get }
  /// The tensors of the weights, in the order of the vector [d].
  var tensors: [WeightFile.Tensor] { get }
  /// Other contents of the model's file, which have no gradients.
  var others: [TensorContent] { get }
  /// Multiply-adds per weight and example, for each of the tensors; nil if unknown.
  var multiplyAddsPerWeight: [Int]? { get }
  /// The weights as read, shape [d]; the same on all ranks.
  var weights: Buffer<Element> { get }

  /// Prepares to collect rows of gradients; checks that there is enough memory for them.
  /// Collective.
  ///
  /// - Parameters:
  ///   - partition: the columns of each rank.
  ///   - heldOut: returns how many of a number of examples or rows are held out to judge by; 0 for
  ///     none.
  ///   - pages: a directory for the held-out rows; nil keeps them in memory.
  ///   - kept: returns the bytes that this rank will keep for m rows and for the results that it
  ///     computes from them.
  /// - Returns: the rows, which use no held-out example, and the judge by the held-out ones; nil if
  ///   there are none.
  func gradients(
    of partition: CellPartition, holdingOut heldOut: (Int) throws -> Int, pagedIn pages: String?,
    kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> (source: any GradientSource<Element>, judge: (any HeldOutJudge<Element>)?)

  /// Returns the loss and accuracy with these weights on the test part of the model's data; nil if
  /// the model has no test data. Collective.
  func evaluation(of weights: Buffer<Element>, on world: Communicator) throws -> Evaluation?

  /// Writes the model's file with these weights; called on one rank.
  func write(_ weights: Buffer<Element>, to path: String) throws
}

extension TrainedModel {
  /// d, the number of weights.
  public var count: Int { weights.count }

  /// Prepares to collect rows of gradients of all examples. Collective.
  public func gradients(
    of partition: CellPartition, kept: (_ rowCount: Int) -> Int, on world: Communicator
  ) throws -> any GradientSource<Element> {
    try gradients(of: partition, holdingOut: { _ in 0 }, pagedIn: nil, kept: kept, on: world).source
  }
}

/// A source of rows of gradients; their columns are those of a vector of weights.
public protocol GradientSource<Element> {
  /// The scalar of weights and gradients.
  associatedtype Element: Scalar

  /// m, the number of rows requested.
  var rowCount: Int { get }

  /// Passes this rank's columns of each row to `store`, in turn. Collective.
  ///
  /// - Parameters:
  ///   - rows: any range for a network; a range from 0 to `rowCount` for a file.
  ///   - weights: [d], at which a network's gradients are taken; the same on all ranks.
  ///   - store: receives a row's number and this rank's columns, which are valid during the call.
  /// - Throws: on all ranks together if a row is not finite; earlier rows may have been stored.
  func collect(
    rows: Range<Int>, at weights: Buffer<Element>, over world: Communicator,
    store: (_ row: Int, _ slice: UnsafeBufferPointer<Element>) throws -> Void
  ) throws
}
