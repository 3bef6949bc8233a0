import LinearAlgebra

/// A fixed set of m gradients; this address space holds some of their columns.
///
///     G [m, d]   here the columns of a slice of d, cut into blocks
///
/// Rows are stored block by block, and row by row within a block, so that products run over whole
/// blocks. The numbers are in memory, or in the pages of a file with one or two blocks in memory at
/// a time. They are in single precision, or in double precision if single would round them.
public final class GradientRows {
  /// m, the number of gradients.
  public let count: Int
  /// The blocks, as ranges of the slice, adjacent and starting at 0.
  public let blocks: [Range<Int>]
  private let storage: Storage
  /// The block whose pages were read last.
  private var current: Int?
  /// One block in double precision, for products.
  private lazy var scratch = Buffer<Double>(count: Self.widest(blocks) * count)

  private enum Storage {
    case single(Memory<Float>)
    case double(Memory<Double>)
  }

  private enum Memory<Element: Scalar> {
    case buffer(Buffer<Element>)
    case pages(PagedBuffer<Element>)

    var pointer: UnsafeMutablePointer<Element> {
      switch self {
      case .buffer(let buffer): buffer.pointer
      case .pages(let buffer): buffer.pointer
      }
    }

    /// Reads the pages of a range, prefetches those of the next, and releases the previous ones.
    func bring(_ range: Range<Int>, next: Range<Int>?, before: Range<Int>?) {
      guard case .pages(let pages) = self else { return }
      if let before { pages.release(before) }
      if let next { pages.prefetch(next) }
      pages.populate(range)
    }

    func release() {
      if case .pages(let pages) = self { pages.release(0..<pages.count) }
    }
  }

  /// Allocates rows in memory.
  ///
  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  ///   - scalar: the precision of their numbers.
  public init<Element: Scalar>(
    count: Int, blocks: [Range<Int>], of scalar: Element.Type = Float.self
  ) {
    precondition(count > 0, "\(count) gradients")
    (self.count, self.blocks) = (count, blocks)
    let size = count * (blocks.last?.upperBound ?? 0)
    storage =
      scalar.holdsDoubles
      ? .double(.buffer(Buffer(count: size))) : .single(.buffer(Buffer(count: size)))
  }

  /// Allocates rows in memory or in a file of pages.
  ///
  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  ///   - scalar: the precision of their numbers.
  ///   - directory: the directory of the file of pages; nil allocates in memory.
  /// - Throws: `PageFileError` if the directory cannot hold the file.
  public init<Element: Scalar>(
    count: Int, blocks: [Range<Int>], of scalar: Element.Type = Float.self,
    pagedIn directory: String?
  ) throws(PageFileError) {
    precondition(count > 0, "\(count) gradients")
    (self.count, self.blocks) = (count, blocks)
    let size = count * (blocks.last?.upperBound ?? 0)
    storage =
      if scalar.holdsDoubles { .double(try Self.memory(size, directory)) } else {
        .single(try Self.memory(size, directory))
      }
  }

  private static func memory<Element: Scalar>(
    _ size: Int, _ directory: String?
  ) throws(PageFileError) -> Memory<Element> {
    guard let directory else { return .buffer(Buffer(count: size)) }
    return .pages(try PagedBuffer(count: size, in: directory))
  }

  /// Returns the bytes of memory that `count` rows of a slice take, including one block in double
  /// precision. Paged rows count two blocks: the current one and the next.
  public static func bytes<Element: Scalar>(
    count: Int, blocks: [Range<Int>], of scalar: Element.Type = Float.self, isPaged: Bool = false
  ) -> Int {
    let stored = isPaged ? 2 * widest(blocks) : blocks.last?.upperBound ?? 0
    return count * (MemoryLayout<Element>.size * stored + 8 * widest(blocks))
  }

  private static func widest(_ blocks: [Range<Int>]) -> Int { blocks.map(\.count).max() ?? 0 }

  /// The number of coordinates in this slice.
  public var sliceCount: Int { blocks.last?.upperBound ?? 0 }

  /// Stores x, this slice of a gradient, as a row; the rows must hold its digits.
  public func store<Element: Scalar>(_ x: UnsafeBufferPointer<Element>, row: Int) {
    precondition(
      x.count == sliceCount && row < count,
      "row \(row) of \(x.count) columns among \(count) of \(sliceCount)")
    guard let x0 = x.baseAddress else { return }
    switch storage {
    case .single(let memory):
      precondition(!Element.holdsDoubles, "a gradient in double precision in rows of single")
      store(x0, row: row, in: memory.pointer)
      memory.release()
    case .double(let memory):
      store(x0, row: row, in: memory.pointer)
      memory.release()
    }
  }

  @specialized(where Element == Float, Stored == Float)
  @specialized(where Element == Float, Stored == Double)
  @specialized(where Element == Double, Stored == Double)
  private func store<Element: Scalar, Stored: Scalar>(
    _ x: UnsafePointer<Element>, row: Int, in stored: UnsafeMutablePointer<Stored>
  ) {
    for range in blocks {
      let (from, to) = (
        x + range.lowerBound, stored + count * range.lowerBound + row * range.count
      )
      for k in 0..<range.count { to[k] = Stored(from[k]) }
    }
  }

  /// Returns a block of rows stored in single precision, shape [m, width], row by row.
  public func block(_ index: Int) -> UnsafeBufferPointer<Float> {
    guard case .single(let all) = numbers(ofBlock: index) else {
      preconditionFailure("rows in double precision")
    }
    return UnsafeBufferPointer(start: all, count: count * blocks[index].count)
  }

  /// Points to the numbers of a block in either precision, row by row.
  enum Numbers {
    case single(UnsafePointer<Float>)
    case double(UnsafePointer<Double>)
  }

  /// Returns the numbers of a block, shape [m, width].
  func numbers(ofBlock index: Int) -> Numbers {
    func place(_ block: Int) -> Range<Int> {
      count * blocks[block].lowerBound..<count * blocks[block].upperBound
    }
    let start = place(index).lowerBound
    let next = index + 1 < blocks.count ? place(index + 1) : nil
    let before = current.map(place)
    let isNew = index != current
    current = index
    switch storage {
    case .single(let memory):
      if isNew { memory.bring(place(index), next: next, before: before) }
      return .single(memory.pointer + start)
    case .double(let memory):
      if isNew { memory.bring(place(index), next: next, before: before) }
      return .double(memory.pointer + start)
    }
  }

  /// Returns columns of a block in double precision, shape [m, columns], row by row; nil selects
  /// all columns. The next call overwrites them.
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
