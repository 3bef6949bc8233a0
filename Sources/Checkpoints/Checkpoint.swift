import Formats
import Foundation
import Sharding

/// A directory with all that a run needs to go on as if it had never stopped:
///
///   model.safetensors                     parameters and running statistics
///   curvature.safetensors                 of M-FAC: the Gram matrix and its factor
///   window-0000i-of-0000n.safetensors     its window's cells, cell by cell
///   factors-0000i-of-0000n.safetensors    of K-FAC: averages of Kronecker factors, and inverses
///   momentum-0000i-of-0000n.safetensors   moving averages, cell by cell
///   masks.safetensors                     of sparse training: which weights are kept
///   manifest.json                         where the run was, and the other files' digests
///
/// How cells are grouped into files is all that the number of ranks decides: any number of ranks
/// reads it.
public struct Checkpoint: Sendable {
  package static let model = "model.safetensors"
  package static let curvature = "curvature.safetensors"
  package static let masks = "masks.safetensors"
  /// The family of files of what only some ranks have: by the rank that saved it.
  package static let placed = "factors"
  /// The files that are not cut by cells.
  static let whole = [model, curvature, masks]

  /// Its directory.
  public let path: String
  /// The contents of its `manifest.json`.
  public let manifest: Manifest

  /// Reads the manifest; the files it names are not looked at.
  ///
  /// - Throws: `InputError` naming the file and what is wrong with it.
  public init(path: String) throws(InputError) {
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

  /// Checks that a file is, byte for byte, the one that was written.
  ///
  /// - Throws: `InputError` naming it.
  public func verify(_ file: Manifest.File) throws(InputError) {
    let path = path(of: file)
    // A file of another length, however long, is not read.
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

  /// Checks all files.
  public func verify() throws(InputError) {
    for file in manifest.files { try verify(file) }
  }
}

extension Checkpoint {
  /// Lists the contents for people, and any damage; reads every file.
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
