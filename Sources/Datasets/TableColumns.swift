import Formats
import LinearAlgebra

/// What the columns of a table mean, and how they were standardised.
public struct TableColumns: Sendable, Equatable {
  /// A column whose values v became `x = (v − mean)/std`.
  public struct Column: Sendable, Equatable {
    /// As in the table's first line, or its number.
    public let name: String
    /// Of the training part's values.
    public let mean: Double
    /// The standard deviation of the same.
    public let std: Double

    /// A column of that name, mean and standard deviation.
    public init(name: String, mean: Double, std: Double) {
      self.name = name
      self.mean = mean
      self.std = std
    }
  }

  /// In the order of the inputs.
  public let features: [Column]
  /// Mean 0 and std 1 where it tells classes.
  public let target: Column
  /// In the order of the classes; empty for regression.
  public let classNames: [String]
}

extension TableColumns.Column {
  /// Mean and standard deviation of a column over the training part, which standardise it:
  /// mean = Σv/n, std = √(Σ(v − mean)²/n), both sums in the order of `rows` and in double
  /// precision. A constant column has its mean and std 1.
  ///
  /// - Parameters:
  ///   - values: shape [all rows, columns], of which it is column `column`.
  ///   - rows: the training part, not empty.
  /// - Throws: `InputError` when the sums exceed double precision.
  init(
    name: String, values: [Double], column: Int, of columns: Int, rows: [Int], file: String
  ) throws(InputError) {
    let first = values[rows[0] * columns + column]
    var sum = 0.0
    var isConstant = true
    for row in rows {
      let value = values[row * columns + column]
      sum += value
      if value != first { isConstant = false }
    }
    // Rounding would leave equal values a tiny deviation.
    let mean = isConstant ? first : sum / Double(rows.count)
    var squares = 0.0
    for row in rows {
      let difference = values[row * columns + column] - mean
      squares += difference * difference
    }
    let std = (squares / Double(rows.count)).squareRoot()
    guard mean.isFinite && std.isFinite else {
      throw InputError(file, "column '\(printable(name))' has numbers too large to standardise")
    }
    self.init(name: name, mean: mean, std: std > 0 ? std : 1)
  }

  /// The column's values as they are after standardisation, computed in double precision and
  /// rounded once, put at every `columns`-th place.
  ///
  /// - Throws: `InputError` when one exceeds the scalar's precision.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func standardise<Element: Scalar>(
    _ values: [Double], column: Int, of columns: Int, into numbers: inout [Element], file: String
  ) throws(InputError) {
    for place in stride(from: column, to: values.count, by: columns) {
      numbers[place] = Element((values[place] - mean) / std)
      guard numbers[place].isFinite else {
        throw InputError(
          file, "column '\(printable(name))', row \(place / columns + 1): too far from the others",
          expected: "a finite number after standardisation with mean \(mean) and std \(std)",
          got: "\(values[place])")
      }
    }
  }
}
