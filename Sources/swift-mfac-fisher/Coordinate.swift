import Formats
import TrainedModels
import Training

/// Parses indices into the vector of a model's weights, [d].
enum Coordinate {
  /// Returns the row and column of an element from `ROW:COLUMN`.
  ///
  /// - Throws: `InputError` if a part is not an index into the weights.
  static func pair(
    _ text: String, of model: any TrainedModel
  ) throws(InputError) -> (row: Int, column: Int) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw InputError("--at", "invalid element", expected: "ROW:COLUMN", got: "'\(text)'")
    }
    return (try place(String(parts[0]), of: model), try place(String(parts[1]), of: model))
  }

  /// Returns an index in [0, d) from a number, or from `NAME[i, j, …]`.
  private static func place(
    _ text: String, of model: any TrainedModel
  ) throws(InputError) -> Int {
    if let number = Int(text) {
      guard (0..<model.count).contains(number) else {
        throw InputError(
          "--at", "not an index into the weights", expected: "0 to \(model.count - 1)",
          got: "\(text)")
      }
      return number
    }
    guard text.hasSuffix("]"), let bracket = text.lastIndex(of: "[") else {
      throw InputError(
        "--at", "not an index into the weights", expected: "a number, or NAME[i,j]",
        got: "'\(text)'")
    }
    let name = String(text[..<bracket])
    guard let tensor = model.tensors.first(where: { $0.name == name }) else {
      throw InputError(
        "--at", "unknown tensor", expected: InputError.list(model.tensors.map(\.name)),
        got: "'\(name)'")
    }
    let indices = text[text.index(after: bracket)...].dropLast()
      .split(separator: ",", omittingEmptySubsequences: false)
      .map { Int($0.filter { $0 != " " }) ?? -1 }
    guard indices.count == tensor.shape.count,
      zip(indices, tensor.shape).allSatisfy({ (0..<$1).contains($0) })
    else {
      throw InputError(
        "--at", "not an index into tensor '\(name)'",
        expected: "one within its shape \(tensor.shape)", got: "'\(text)'")
    }
    return tensor.range.lowerBound + zip(indices, tensor.shape).reduce(0) { $0 * $1.1 + $1.0 }
  }
}
