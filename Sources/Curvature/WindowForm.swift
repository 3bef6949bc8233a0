import LinearAlgebra

/// Describes the form in which a window stores its gradients.
public struct WindowForm: Codable, Equatable, Sendable {
  /// The type of the stored numbers; nil stores the gradients' own type.
  public var type: RowType?
  /// The share of each cell's coordinates to keep, the largest in magnitude, in (0, 1]. Below 1 the
  /// rest is carried over to the next gradient.
  public var density: Double

  /// Creates a form.
  ///
  /// - Parameters:
  ///   - type: the type of the stored numbers; nil stores the gradients' own type.
  ///   - density: the share of each cell to keep, in (0, 1]; 1 with `int8`.
  public init(type: RowType? = nil, density: Double = 1) {
    precondition(density > 0 && density <= 1, "a share of \(density)")
    precondition(density == 1 || type?.isScaled != true, "sparse rows of \(type!)")
    self.type = type
    self.density = density
  }

  /// True if rows keep only a share of their coordinates.
  public var isSparse: Bool { density < 1 }

  /// Returns the numbers kept of a cell: at least one, a function of `count` alone.
  func entries(_ count: Int) -> Int { min(count, Int((density * Double(count)).rounded(.up))) }

  /// Returns the stored type of a window of a scalar's gradients.
  func rowType<Element: Scalar>(of scalar: Element.Type) -> RowType {
    type ?? Element.rowType
  }

  /// Returns true if a window stores a scalar's gradients without loss.
  package func isExact<Element: Scalar>(for scalar: Element.Type) -> Bool {
    !isSparse && rowType(of: scalar).bytes >= MemoryLayout<Element>.size
  }

  /// Returns the bytes of a cell's rows.
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
