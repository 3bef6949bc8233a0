import Formats
import LinearAlgebra

/// Describes the columns of a table and their standardisation.
public struct TableColumns: Sendable, Equatable {
  /// Describes a column; its values v become `x = (v − mean)/std`.
  public struct Column: Sendable, Equatable {
    /// Name in the table's first line, or the column's number.
    public let name: String
    /// Mean of the training part's values.
    public let mean: Double
    /// Standard deviation of the training part's values.
    public let std: Double

    /// Creates a column.
    public init(name: String, mean: Double, std: Double) {
      self.name = name
      self.mean = mean
      self.std = std
    }
  }

  /// Columns in the order of the inputs.
  public let features: [Column]
  /// The target column; mean 0 and std 1 for classes.
  public let target: Column
  /// Names in the order of the classes; empty for regression.
  public let classNames: [String]
}

extension TableColumns.Column {
  /// Computes mean and standard deviation of a column over the training part:
  ///
  ///     mean = Σv/n, std = √(Σ(v − mean)²/n)
  ///
  /// Both sums run in the order of `rows` and in double precision. A constant column gets its value
  /// as the mean, and std 1.
  ///
  /// - Parameters:
  ///   - values: shape [all rows, columns]; `column` selects one.
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
    // Rounding would give equal values a tiny deviation.
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

  /// Writes the column's standardised values to every `columns`-th element; each is computed in
  /// double precision and rounded once.
  ///
  /// - Throws: `InputError` when a value exceeds the scalar's range.
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
