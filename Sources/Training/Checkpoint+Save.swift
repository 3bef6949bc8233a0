import Checkpoints
import Formats
import Foundation
import LinearAlgebra
import MPI
import TrainedModels

extension Checkpoint {
  /// Saves a run. A new directory appears under the step's name when it is complete and on the
  /// disk. Collective.
  ///
  /// - Parameter manifest: the manifest without its files.
  /// - Returns: the size of the files in bytes.
  /// - Throws: `AgreedError` on all ranks together if one of them cannot write. The incomplete
  ///   checkpoint is removed, and the earlier ones remain.
  static func save<Element>(
    _ manifest: Manifest, of run: RunState<Element>, in directory: CheckpointDirectory,
    on world: Communicator
  ) throws -> Int {
    var manifest = manifest
    try directory.save(step: manifest.step, record: Manifest.fileName, on: world) { temporary in
      let local = try world.agree { () throws -> String in
        var files = try writeCells(of: run, manifest, to: temporary)
        files += try writePlaced(of: run, manifest, to: temporary)
        if world.rank == 0 { files += try writeShared(of: run, manifest, to: temporary) }
        return try JSONText.of(files, inLines: false)
      }
      let texts = try world.allGather(local)
      return try world.agree {
        manifest.files = try texts.flatMap {
          try JSONDecoder().decode([Manifest.File].self, from: Data($0.utf8))
        }.sorted { $0.name < $1.name }
        return try manifest.text()
      }
    }
    return manifest.files.reduce(0) { $0 + $1.bytes }
  }

  /// Writes this rank's cells, one file for each family; none if the rank has no cells.
  private static func writeCells<Element>(
    of run: RunState<Element>, _ manifest: Manifest, to directory: String
  ) throws(InputError) -> [Manifest.File] {
    let owners = (0..<run.partition.ranks).filter { !run.partition.cells(of: $0).isEmpty }
    guard let index = owners.firstIndex(of: run.rank) else { return [] }
    let cells = run.cells
    var files: [Manifest.File] = []
    for (family, arrays) in run.families(hasWindow: manifest.hasWindow) {
      let named = zip(cells, arrays).flatMap { cell, arrays in
        arrays.map { $0.named(ofCell: cell) }
      }
      let name = "\(family)-\(padded(index + 1, 5))-of-\(padded(owners.count, 5)).safetensors"
      var file = try write(named, to: directory, name)
      file.cells = [cells.lowerBound, cells.upperBound]
      files.append(file)
    }
    return files
  }

  /// Writes the arrays that only this rank saves.
  private static func writePlaced<Element>(
    of run: RunState<Element>, _ manifest: Manifest, to directory: String
  ) throws(InputError) -> [Manifest.File] {
    let arrays = run.optimizer.state.placed.filter(\.isSaved).map(\.array)
    guard manifest.hasWindow, !arrays.isEmpty else { return [] }
    let place = "\(padded(run.rank + 1, 5))-of-\(padded(run.partition.ranks, 5))"
    return [try write(arrays, to: directory, "\(Checkpoint.placed)-\(place).safetensors")]
  }

  /// Writes the state that is the same on all ranks.
  private static func writeShared<Element>(
    of run: RunState<Element>, _ manifest: Manifest, to directory: String
  ) throws(InputError) -> [Manifest.File] {
    var files = [
      try write(model, to: directory) { file throws(InputError) in
        try run.network.writeWeights(run.parameters.all, state: run.statistics.all, to: file)
      }
    ]
    if manifest.hasWindow {
      files.append(try write(run.optimizer.state.shared, to: directory, curvature))
    }
    if let masks = run.masks {
      files.append(try write(Masks.fileName, to: directory, masks.write(to:)))
    }
    return files
  }

  private static func write(
    _ arrays: [StoredArray], to directory: String, _ name: String
  ) throws(InputError) -> Manifest.File {
    try write(name, to: directory) { file throws(InputError) in
      try SafetensorsFile.write(
        arrays.map { ($0.name, $0.type, $0.shape) }, to: file
      ) { arrays[$0].save($1) }
    }
  }

  /// Writes a file, flushes it to the disk and returns its record.
  private static func write(
    _ name: String, to directory: String, _ fill: (OutputFile) throws(InputError) -> Void
  ) throws(InputError) -> Manifest.File {
    let digest = SHA256()
    let file = try OutputFile("\(directory)/\(name)", digest: digest)
    try fill(file)
    return Manifest.File(name: name, bytes: try file.finish(), sha256: digest.finish())
  }
}

extension StoredArray {
  var type: TensorType { TensorType(rawValue: element.rawValue)! }

  /// Returns the array under the name that it has in files of cells.
  func named(ofCell cell: Int) -> StoredArray {
    var array = self
    array.name = "cell.\(padded(cell, 6)).\(name)"
    return array
  }
}
