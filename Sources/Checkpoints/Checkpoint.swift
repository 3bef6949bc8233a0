import Formats
import Foundation
import Sharding

/// A directory that holds everything a run needs to continue as if it had never stopped:
///
///     model.safetensors                     parameters and running statistics
///     curvature.safetensors                 M-FAC's Gram matrix and its factor; K-FAC's traces
///     window-0000i-of-0000n.safetensors     M-FAC's window, cell by cell
///     factors-0000i-of-0000n.safetensors    K-FAC's averaged Kronecker factors and their inverses
///     momentum-0000i-of-0000n.safetensors   momentum and moving averages, cell by cell
///     masks.safetensors                     sparse training: the masks
///     manifest.json                         position of the run, digests of the other files
///
/// The number of ranks decides only how cells are grouped into files. Any number of ranks can read
/// a checkpoint.
package struct Checkpoint: Sendable {
  package static let model = "model.safetensors"
  package static let curvature = "curvature.safetensors"
  package static let masks = "masks.safetensors"
  /// Family of the files with arrays that only some ranks hold; numbered by the rank that saved
  /// them.
  package static let placed = "factors"
  /// Files that are not split by cells.
  static let whole = [model, curvature, masks]

  /// Path of the checkpoint's directory.
  package let path: String
  /// Contents of `manifest.json`.
  package let manifest: Manifest

  /// Reads the manifest; does not open the files that it names.
  ///
  /// - Throws: `InputError` naming the file and the problem.
  package init(path: String) throws(InputError) {
    self.path = path
    let file = try InputFile("\(path)/\(Manifest.fileName)")
    guard file.count <= 100_000_000 else {
      throw InputError(
        file.path, "is too long for a manifest", expected: "at most 100000000 bytes",
        got: "\(file.count)")
    }
    manifest = try Manifest(text: try file.read(0..<file.count), file: file.path)
  }

  package func path(of file: Manifest.File) -> String { "\(path)/\(file.name)" }

  /// Checks that a file is, byte for byte, the one that was saved.
  ///
  /// - Throws: `InputError` naming the file if its length or its SHA-256 digest differs.
  package func verify(_ file: Manifest.File) throws(InputError) {
    let path = path(of: file)
    // The length is compared first: a file of another length, however long, is not read.
    let bytes = try InputFile(path).count
    guard bytes == file.bytes else {
      throw InputError(
        path, "is not the file that was saved", expected: "\(file.bytes) bytes", got: "\(bytes)")
    }
    let digest = try SHA256.ofFile(path)
    guard digest == file.sha256 else {
      throw InputError(
        path, "is damaged", expected: "SHA-256 \(file.sha256)", got: "\(digest)")
    }
  }

  /// Verifies every file of the checkpoint.
  package func verify() throws(InputError) {
    for file in manifest.files { try verify(file) }
  }
}

extension Checkpoint {
  /// Returns a human-readable summary of the contents and of any damage. Reads every file.
  package func summary() -> (text: String, isWhole: Bool) {
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
        ["\(m.step), next is batch \(m.batchInEpoch + 1) of epoch \(m.epoch + 1)"]
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
