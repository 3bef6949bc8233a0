import Formats
import TrainedModels
import Training

/// A place in the vector of a model's weights.
enum Coordinate {
  /// `ROW:COLUMN`.
  ///
  /// - Throws: `InputError` where there is no such place.
  static func pair(
    _ text: String, of model: any TrainedModel
  ) throws(InputError) -> (row: Int, column: Int) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw InputError("--at", "no element", expected: "ROW:COLUMN", got: "'\(text)'")
    }
    return (try place(String(parts[0]), of: model), try place(String(parts[1]), of: model))
  }

  /// A number in [0, d), or `NAME[i, j, …]`.
  private static func place(
    _ text: String, of model: any TrainedModel
  ) throws(InputError) -> Int {
    if let number = Int(text) {
      guard (0..<model.count).contains(number) else {
        throw InputError(
          "--at", "no place in the vector of the weights", expected: "0 to \(model.count - 1)",
          got: "\(text)")
      }
      return number
    }
    guard text.hasSuffix("]"), let bracket = text.lastIndex(of: "[") else {
      throw InputError(
        "--at", "no place in the vector of the weights", expected: "a number, or NAME[i,j]",
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
        "--at", "no place in tensor '\(name)'", expected: "one within its shape \(tensor.shape)",
        got: "'\(text)'")
    }
    return tensor.range.lowerBound + zip(indices, tensor.shape).reduce(0) { $0 * $1.1 + $1.0 }
  }
}
