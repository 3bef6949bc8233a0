import Buffers
import COpenMPI

/// Divides rows [d], one from each rank, into the slices of their owners. Afterwards every rank has
/// its own slice of each row.
///
/// It moves numbers and adds nothing, so their bits stay the same.
package final class RowExchange<Element: BitwiseCopyable> {
  private let slices: [Range<Int>]
  private let rank: Int
  private let tag: Int
  /// This rank's slice of the other ranks' rows, in the order of the ranks.
  private let received: Buffer<Element>

  /// Creates an exchange of rows.
  ///
  /// - Parameters:
  ///   - slices: every rank's range, possibly empty; the ranges are consecutive and cover 0 to d.
  ///   - world: all ranks create these objects in the same order.
  package init(_ slices: [Range<Int>], on world: Communicator) {
    precondition(slices.count == world.size, "\(slices.count) slices for \(world.size) ranks")
    self.slices = slices
    rank = world.rank
    tag = world.newTag()
    received = Buffer(count: (slices.count - 1) * slices[rank].count)
  }

  /// Returns the traffic of each rank for one exchange.
  ///
  /// - Parameter rows: the number of ranks, from rank 0 on, that have a row.
  package static func traffic(_ slices: [Range<Int>], rows: Int) -> [Traffic] {
    slices.indices.map {
      $0 < rows ? Traffic(messages(slices, from: $0), of: Element.self) : Traffic()
    }
  }

  private static func messages(_ slices: [Range<Int>], from rank: Int) -> [Message] {
    slices.messages(to: slices.others(than: rank))
  }

  /// Sends each rank's row to the owners of its slices. Collective.
  ///
  /// - Parameters:
  ///   - row: this rank's row, shape [d]; nil from rank `rows` on.
  ///   - rows: the number of ranks, from rank 0 on, that have a row; the same on all ranks.
  ///   - receive: is called with this rank's slice of each row, in the order of the ranks; the
  ///     memory is valid during the call.
  package func exchange(
    _ row: UnsafeBufferPointer<Element>?, rows: Int, on world: Communicator,
    receive: (_ source: Int, _ part: UnsafeBufferPointer<Element>) throws -> Void
  ) throws {
    let d = slices.last!.upperBound
    precondition(
      rows <= slices.count && (row != nil) == (rank < rows) && row.map { $0.count == d } ?? true,
      "rank \(rank) has a row of \(row?.count ?? 0), with \(rows) rows of \(d)")
    try world.begin("exchange of rows", size: rows * d)
    var requests: [MPI_Request?] = []
    for source in 0..<rows where source != rank {
      let part = part(of: source)
      for chunk in part.indices.messageChunks {
        requests.append(
          try world.receive(
            UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: part[chunk])),
            from: source, tag: tag))
      }
    }
    if let row {
      for message in Self.messages(slices, from: rank) {
        requests.append(
          try world.send(
            UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: row[message.range])),
            to: message.target, tag: tag))
      }
    }
    try world.wait(for: &requests)
    for source in 0..<rows {
      let local = row.map { UnsafeBufferPointer(rebasing: $0[slices[rank]]) }
      try receive(source, source == rank ? local! : UnsafeBufferPointer(part(of: source)))
    }
  }

  private func part(of source: Int) -> UnsafeMutableBufferPointer<Element> {
    let count = slices[rank].count
    let place = source < rank ? source : source - 1
    return received[place * count..<(place + 1) * count]
  }
}
