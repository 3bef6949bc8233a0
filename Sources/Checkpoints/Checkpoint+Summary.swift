import Formats
import Foundation

extension Checkpoint {
  /// What is in it, for people, and what is wrong with it; every file is read.
  public func summary() -> (text: String, isWhole: Bool) {
    let m = manifest
    var isWhole = true
    let files = m.files.map { file in
      var state = "whole"
      do {
        try verify(file)
        state += ", \(Self.contents(of: try SafetensorsFile(path: path(of: file))))"
      } catch {
        isWhole = false
        state = "\(error)"
      }
      return "\(file.name), \(formatBytes(file.bytes)): \(state)"
    }
    let numbers = m.optimizer.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let parts: [(String, [String])] = [
      ("checkpoint", [path]),
      (
        "step",
        ["\(m.step), goes on with batch \(m.batchInEpoch + 1) of epoch \(m.epoch + 1)"]
          + ["learning rate \(m.learningRate), \(formatNumber(m.seconds, digits: 1)) s so far"]
      ),
      ("network", ["d = \(m.parameterCount) parameters in \(m.cellCount) cells of \(m.cellSize)"]),
      ("optimizer", numbers.isEmpty ? ["no numbers"] : numbers),
      ("window", [m.hasWindow ? "saved" : "not saved, or none"]),
      ("made by", ["OpenBLAS core type \(m.coreType)", "program \(m.programSha256.prefix(16))…"]),
      ("settings", m.settings.split(separator: "\n").map(String.init)),
      ("files", files),
      ("all", [isWhole ? "whole: every file is the one that was saved" : "damaged"]),
    ]
    let text = parts.map { name, lines in
      name.padding(toLength: 11, withPad: " ", startingAt: 0)
        + lines.joined(separator: "\n" + String(repeating: " ", count: 11))
    }.joined(separator: "\n")
    return (text, isWhole)
  }

  private static func contents(of file: SafetensorsFile) -> String {
    guard let first = file.tensors.first else { return "no tensors" }
    return
      "\(file.tensors.count) tensors, the first \(first.name) \(first.dtype.rawValue) "
      + "\(first.shape)"
  }
}
