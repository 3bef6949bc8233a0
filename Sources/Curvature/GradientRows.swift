import LinearAlgebra

/// m gradients that are all there from the start, of which this address space holds some columns.
///
///     G [m, d]   here the columns of a slice of d, cut in blocks
///
/// Stored block by block, in a block row by row, so that products run over whole blocks: in memory, or
/// in pages of a file, of which those of a block or two are in this process's memory at a time. Numbers
/// are in single precision, or in memory in double precision where single would round them.
public final class GradientRows {
  /// m.
  public let count: Int
  /// The blocks, as ranges of the slice; they lie one after another from 0.
  public let blocks: [Range<Int>]
  private let storage: Storage
  /// The block whose pages were asked for last.
  private var current: Int?
  /// A block in double precision, while it is worked on.
  private lazy var scratch = Buffer<Double>(count: Self.widest(blocks) * count)

  private enum Storage {
    case memory(Buffer<Float>)
    case pages(PagedBuffer<Float>)
    case doubles(Buffer<Double>)
  }

  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  public convenience init(count: Int, blocks: [Range<Int>]) {
    self.init(
      count: count, blocks: blocks,
      storage: .memory(Buffer(count: count * (blocks.last?.upperBound ?? 0))))
  }

  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  ///   - directory: where the file of pages is made; in memory where there is none.
  /// - Throws: where the directory has not the room.
  public convenience init(
    count: Int, blocks: [Range<Int>], pagedIn directory: String?
  ) throws(PageFileError) {
    guard let directory else {
      self.init(count: count, blocks: blocks)
      return
    }
    self.init(
      count: count, blocks: blocks,
      storage: .pages(
        try PagedBuffer(count: count * (blocks.last?.upperBound ?? 0), in: directory)))
  }

  /// Rows in double precision, in memory.
  ///
  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  public convenience init(doubles count: Int, blocks: [Range<Int>]) {
    self.init(
      count: count, blocks: blocks,
      storage: .doubles(Buffer(count: count * (blocks.last?.upperBound ?? 0))))
  }

  private init(count: Int, blocks: [Range<Int>], storage: Storage) {
    precondition(count > 0, "\(count) gradients")
    (self.count, self.blocks, self.storage) = (count, blocks, storage)
  }

  /// Bytes of memory of `count` rows of a slice, and of a block of them that is worked on; of pages,
  /// those of the block and the next.
  public static func bytes(
    count: Int, blocks: [Range<Int>], isPaged: Bool = false, isDouble: Bool = false
  ) -> Int {
    let stored = isPaged ? 2 * widest(blocks) : blocks.last?.upperBound ?? 0
    return count * ((isDouble ? 8 : 4) * stored + 8 * widest(blocks))
  }

  private static func widest(_ blocks: [Range<Int>]) -> Int { blocks.map(\.count).max() ?? 0 }

  /// Coordinates in this slice.
  public var sliceCount: Int { blocks.last?.upperBound ?? 0 }

  /// A row becomes `x`, this slice of a gradient.
  public func store(_ x: UnsafeBufferPointer<Float>, row: Int) {
    precondition(
      x.count == sliceCount && row < count,
      "row \(row) of \(x.count) columns among \(count) of \(sliceCount)")
    guard let x0 = x.baseAddress else { return }
    for range in blocks {
      (singles + count * range.lowerBound + row * range.count).update(
        from: x0 + range.lowerBound, count: range.count)
    }
    if case .pages(let pages) = storage { pages.release(0..<pages.count) }
  }

  /// A row becomes `x`, this slice of a gradient, of rows in double precision.
  public func store(_ x: UnsafeBufferPointer<Double>, row: Int) {
    guard case .doubles(let all) = storage else { preconditionFailure("rows in single precision") }
    precondition(
      x.count == sliceCount && row < count,
      "row \(row) of \(x.count) columns among \(count) of \(sliceCount)")
    guard let x0 = x.baseAddress else { return }
    for range in blocks {
      (all.pointer + count * range.lowerBound + row * range.count).update(
        from: x0 + range.lowerBound, count: range.count)
    }
  }

  /// The numbers of a block of rows in single precision, shape [m, width], row by row.
  public func block(_ index: Int) -> UnsafeBufferPointer<Float> {
    bring(index)
    let range = blocks[index]
    return UnsafeBufferPointer(
      start: singles + count * range.lowerBound, count: count * range.count)
  }

  /// Numbers of either precision, row by row.
  enum Numbers {
    case single(UnsafePointer<Float>)
    case double(UnsafePointer<Double>)
  }

  /// The numbers of a block, shape [m, width].
  func numbers(ofBlock index: Int) -> Numbers {
    guard case .doubles(let all) = storage else {
      bring(index)
      return .single(singles + count * blocks[index].lowerBound)
    }
    return .double(all.pointer + count * blocks[index].lowerBound)
  }

  private var singles: UnsafeMutablePointer<Float> {
    switch storage {
    case .memory(let buffer): buffer.pointer
    case .pages(let buffer): buffer.pointer
    case .doubles: preconditionFailure("rows in double precision")
    }
  }

  /// Has the pages of a block and of the next one read, and lets those of the one before it go.
  private func bring(_ index: Int) {
    guard case .pages(let pages) = storage, index != current else { return }
    func place(_ block: Int) -> Range<Int> {
      count * blocks[block].lowerBound..<count * blocks[block].upperBound
    }
    if let current { pages.release(place(current)) }
    if index + 1 < blocks.count { pages.prefetch(place(index + 1)) }
    pages.populate(place(index))
    current = index
  }

  /// Columns of a block in double precision, shape [m, columns], row by row, in memory that the next call
  /// overwrites; all of them where none are named.
  func doubles(ofBlock index: Int, columns: [Int]?) -> UnsafeMutablePointer<Double> {
    let (to, n) = (scratch.pointer, blocks[index].count)
    switch numbers(ofBlock: index) {
    case .single(let all): copy(all, width: n, columns: columns, to: to)
    case .double(let all): copy(all, width: n, columns: columns, to: to)
    }
    return to
  }

  @inline(__always)
  private func copy<Element: BinaryFloatingPoint>(
    _ all: UnsafePointer<Element>, width n: Int, columns: [Int]?,
    to result: UnsafeMutablePointer<Double>
  ) {
    let width = columns?.count ?? n
    for row in 0..<count {
      let (from, to) = (all + row * n, result + row * width)
      if let columns, columns.count < n {
        for (k, column) in columns.enumerated() { to[k] = Double(from[column]) }
      } else {
        for k in 0..<width { to[k] = Double(from[k]) }
      }
    }
  }
}
