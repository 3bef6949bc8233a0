import LinearAlgebra

/// The form in which a window keeps its gradients.
public struct WindowForm: Codable, Equatable, Sendable {
  /// Of the stored numbers.
  public var type: RowType
  /// The share of a cell's coordinates that are kept, those largest in magnitude, in (0, 1]. Below
  /// 1 what is left out is carried over to the next gradient.
  public var density: Double

  /// - Parameters:
  ///   - type: of the numbers that are kept.
  ///   - density: the share of each cell that is kept, in (0, 1].
  public init(type: RowType = .float32, density: Double = 1) {
    precondition(density > 0 && density <= 1, "a share of \(density)")
    self.type = type
    self.density = density
  }

  /// Whether rows keep but a share of their coordinates.
  public var isSparse: Bool { density < 1 }

  /// Numbers kept of a cell of `count` coordinates: at least one, and decided by the cell alone.
  func entries(_ count: Int) -> Int { min(count, Int((density * Double(count)).rounded(.up))) }

  /// Bytes of a cell's rows.
  func bytes(capacity: Int, count: Int) -> Int {
    isSparse
      ? capacity * entries(count) * (MemoryLayout<UInt16>.stride + type.bytes)
      : InterleavedRows<Double>.bytes(type: type, capacity: capacity, count: count)
  }
}

extension WindowForm: CustomStringConvertible {
  public var description: String { type.rawValue + (isSparse ? ", density \(density)" : "") }
}
