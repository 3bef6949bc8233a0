import LinearAlgebra

/// The form in which a window keeps its gradients.
public struct WindowForm: Codable, Equatable, Sendable {
  /// The type of the stored numbers; nil: that of the gradients.
  public var type: RowType?
  /// The share of a cell's coordinates that are kept, those largest in magnitude, in (0, 1]. Below
  /// 1 what is left out is carried over to the next gradient.
  public var density: Double

  /// - Parameters:
  ///   - type: of the numbers that are kept; nil: that of the gradients.
  ///   - density: the share of each cell that is kept, in (0, 1].
  public init(type: RowType? = nil, density: Double = 1) {
    precondition(density > 0 && density <= 1, "a share of \(density)")
    self.type = type
    self.density = density
  }

  /// Whether rows keep but a share of their coordinates.
  public var isSparse: Bool { density < 1 }

  /// Numbers kept of a cell of `count` coordinates: at least one, and decided by the cell alone.
  func entries(_ count: Int) -> Int { min(count, Int((density * Double(count)).rounded(.up))) }

  /// The type of the stored numbers of a window of a scalar's gradients.
  func rowType<Element: Scalar>(of scalar: Element.Type) -> RowType {
    type ?? Element.rowType
  }

  /// Whether a window of a scalar's gradients holds them as they are.
  package func isExact<Element: Scalar>(for scalar: Element.Type) -> Bool {
    !isSparse && rowType(of: scalar).bytes >= MemoryLayout<Element>.size
  }

  /// Bytes of a cell's rows.
  func bytes<Element: Scalar>(of scalar: Element.Type, capacity: Int, count: Int) -> Int {
    let type = rowType(of: scalar)
    return isSparse
      ? capacity * entries(count) * (MemoryLayout<UInt16>.stride + type.bytes)
      : InterleavedRows<Double>.bytes(type: type, capacity: capacity, count: count)
  }
}

extension WindowForm: CustomStringConvertible {
  public var description: String {
    (type?.rawValue ?? "the gradients' type") + (isSparse ? ", density \(density)" : "")
  }
}
