import Checkpoints
import Formats
import LinearAlgebra
import MPI
import Networks
import Sharding
import TrainedModels

extension Checkpoint {
  /// Returns the newest whole checkpoint of a run; nil if the run has no checkpoints. Collective.
  ///
  /// - Parameter notice: called on all ranks for each damaged checkpoint, with the reason.
  /// - Throws: on all ranks together, if there are checkpoints and all are damaged.
  static func newestWhole(
    in directory: CheckpointDirectory, on world: Communicator, notice: (Diagnostic) -> Void
  ) throws -> Checkpoint? {
    let local = try world.agree { try world.rank == 0 ? directory.steps() : [] }
    let steps = try world.allGather(local.map(String.init).joined(separator: " "))[0]
      .split(separator: " ").map { Int($0)! }
    for step in steps {
      do {
        return try verified(directory.path(step: step), on: world)
      } catch let error as AgreedError {
        notice("passing over the checkpoint of step \(step): \(error)")
      }
    }
    try world.agree {
      guard steps.isEmpty else {
        throw InputError(
          directory.path, "none of its checkpoints is whole",
          expected:
            "one, or \(setting: "resume", "never") with another \(setting: "run-directory")",
          got: "\(steps.count) damaged")
      }
    }
    return nil
  }

  /// Returns a checkpoint after checking it: each file has been read by one of the ranks and found
  /// whole. Collective.
  static func verified(_ path: String, on world: Communicator) throws -> Checkpoint {
    try world.agree {
      let checkpoint = try Checkpoint(path: path)
      let files = checkpoint.manifest.files
      for index in stride(from: world.rank, to: files.count, by: world.size) {
        try checkpoint.verify(files[index])
      }
      return checkpoint
    }
  }

  /// Restores the state of a run. Each rank reads what it needs; not collective.
  ///
  /// - Throws: `InputError` naming the file, if it is from a run with other settings.
  func restore<Element>(_ run: RunState<Element>) throws {
    guard manifest.parameterCount == run.partition.cells.parameterCount else {
      throw InputError(
        path, "is of another network", expected: "\(run.partition.cells.parameterCount) parameters",
        got: "\(manifest.parameterCount)")
    }
    try run.network.readWeights(
      from: "\(path)/\(Self.model)", into: run.parameters.all, state: run.statistics.all)
    do {
      try run.optimizer.resume(manifest.optimizer, hasWindow: manifest.hasWindow)
    } catch let error as StoredArrayError {
      throw InputError("\(path)/\(Manifest.fileName)", "\(error)")
    }
    if manifest.hasWindow {
      try Self.restore(
        run.optimizer.state.shared, from: SafetensorsFile(path: "\(path)/\(Self.curvature)"))
      try restorePlaced(run.optimizer.state.placed.map(\.array))
    }
    guard !run.cells.isEmpty else { return }
    let families = run.families(hasWindow: manifest.hasWindow)
    let stored = Set(manifest.files.filter { $0.cells != nil }.map(\.family))
    guard stored == Set(families.map { $0.name[...] }) else {
      throw InputError(
        path, "is of an optimizer with other settings",
        expected: "\(Self.list(families.map(\.name)))",
        got: "\(Self.list(stored.map(String.init)))")
    }
    for (family, arrays) in families {
      for entry in manifest.files where entry.family == family {
        let cells = run.cells.clamped(to: entry.cells![0]..<entry.cells![1])
        guard !cells.isEmpty else { continue }
        let file = try SafetensorsFile(path: path(of: entry))
        let local = cells.map { (cell: $0, arrays: arrays[$0 - run.cells.lowerBound]) }
        try Self.requireKinds(Set(local.flatMap { $0.arrays.map(\.name) }), in: file, cells: cells)
        try Self.restore(
          local.flatMap { cell, arrays in arrays.map { $0.named(ofCell: cell) } }, from: file)
      }
    }
  }

  /// Restores arrays from whichever files hold them.
  private func restorePlaced(_ arrays: [StoredArray]) throws {
    var missing = Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0) })
    for entry in manifest.files where entry.family == Checkpoint.placed {
      let file = try SafetensorsFile(path: path(of: entry))
      try Self.restore(
        file.tensors.compactMap { missing.removeValue(forKey: $0.name) }, from: file)
    }
    if let name = missing.keys.min() {
      throw InputError(
        path, "is of an optimizer with other settings", expected: "a tensor '\(name)'",
        got: "none")
    }
  }

  /// Restores arrays from the tensors of a file that have their names.
  private static func restore(_ arrays: [StoredArray], from file: SafetensorsFile) throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: arrays.map(\.bytes).max() ?? 0, alignment: 64)
    defer { memory.deallocate() }
    for array in arrays {
      let piece = UnsafeMutableRawBufferPointer(rebasing: memory[..<array.bytes])
      try file.read(array.name, type: array.type, shape: array.shape, into: piece)
      do { try array.restore(UnsafeRawBufferPointer(piece)) } catch let error as StoredArrayError {
        throw InputError(file.path, "tensor '\(array.name)': \(error)")
      }
    }
  }

  /// Checks that a file has arrays of these names for the cells and no others: none would be lost.
  private static func requireKinds(
    _ wanted: Set<String>, in file: SafetensorsFile, cells: Range<Int>
  ) throws {
    let kinds = Set(
      file.tensors.compactMap { tensor -> String? in
        // cell.NUMBER.NAME
        let parts = tensor.name.split(separator: ".", maxSplits: 2)
        guard parts.count == 3, let cell = Int(parts[1]), cells.contains(cell) else { return nil }
        return String(parts[2])
      })
    guard kinds == wanted else {
      throw InputError(
        file.path, "is of an optimizer with other settings",
        expected: "tensors \(list(Array(wanted)))", got: "\(list(Array(kinds)))")
    }
  }

  private static func list(_ families: [String]) -> String {
    families.isEmpty ? "neither window nor momentum" : families.sorted().joined(separator: " and ")
  }
}
