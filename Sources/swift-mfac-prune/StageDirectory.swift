import Checkpoints
import Formats
import Foundation
import LinearAlgebra
import MPI
import ProgramOptions
import Pruning
import RunRecords
import TrainedModels

/// The record of a finished stage of pruning, stored with its weights and masks.
struct StageRecord: Codable {
  var formatVersion = 1
  /// The number of finished stages: 1 for the first stage's record.
  var stage: Int
  /// The resolved settings, by flag.
  var settings: [String: String]
  /// SHA-256 of the weights from which the first stage started.
  var weights: String
  /// SHA-256 of the masks from which the first stage started.
  var masks: String?
  /// SHA-256 of each file of gradients so far.
  var gradients: [String]
  /// Quality before pruning.
  var dense: PruningReport.Quality?
  /// The stages so far.
  var stages: [PruningReport.Stage] = []
  var seconds = PruningReport.Seconds()
  /// SHA-256 of this stage's files, by name.
  var files: [String: String] = [:]
}

/// The finished stages of a pruning, in a directory from which a later call continues.
///
/// Its checkpoint `stage-2` holds `model.safetensors`, `masks.safetensors` and `state.json`, the
/// record of the stage.
final class StageDirectory {
  static let (model, masks, record) = ("model.safetensors", "masks.safetensors", "state.json")
  private static let digestKey = "state_sha256"

  let path: String
  private let checkpoints: CheckpointDirectory
  /// The record of the newest stage; before the first stage, a record of its input.
  private(set) var state: StageRecord
  private let settings: PruneSettings
  /// SHA-256 of the file of gradients; nil if none is given.
  private let gradients: String?
  private var lock: Int32 = -1

  /// The number of finished stages.
  var done: Int { state.stage }

  /// Opens the directory, and checks that its newest stage is intact and belongs to this pruning.
  /// Collective.
  ///
  /// - Throws: an `InputError` on all ranks, naming the directory or file and the difference.
  init(_ path: String, _ settings: PruneSettings, on world: Communicator) throws {
    self.path = path
    checkpoints = CheckpointDirectory(ofStagesIn: path)
    self.settings = settings
    let files = settings.source.files
    let isFirst = world.rank == 0
    gradients = try world.agree {
      guard isFirst, case .file(let file) = files.gradients else { return nil }
      return try SHA256.ofFile(file)
    }
    state = StageRecord(
      stage: 0, settings: Self.compared(settings), weights: "", masks: nil, gradients: [])
    let text = try world.agree {
      guard isFirst else { return "" }
      state.weights = try SHA256.ofFile(files.weights)
      state.masks = try settings.tensors.masks.map(SHA256.ofFile)
      try OutputFiles.checkCanBeMade(path, flag: "--state")
      if access(path, F_OK) == 0 { try takeLock() }
      if let stage = try checkpoints.steps().first { state = try checked(stage) }
      return try SealedJSON.text(of: state, digest: Self.digestKey)
    }
    state = try SealedJSON.record(
      StageRecord.self, from: Array(try world.allGather(text)[0].utf8), file: path,
      digest: Self.digestKey)
  }

  deinit { if lock >= 0 { close(lock) } }

  /// Returns the path of a file of a stage.
  private func path(_ file: String, stage: Int) -> String {
    "\(checkpoints.path(step: stage))/\(file)"
  }

  /// The path of the newest stage.
  var newestPath: String { checkpoints.path(step: done) }

  /// The newest stage's weights, or nil before the first.
  var weights: String? { done > 0 ? path(Self.model, stage: done) : nil }

  /// The newest stage's masks, or nil before the first.
  var masks: String? { done > 0 ? path(Self.masks, stage: done) : nil }

  /// Saves a stage. Collective.
  func save<Element>(
    _ weights: Buffer<Element>, of model: any TrainedModel<Element>, _ mask: Mask,
    of tensors: [WeightTensor], slices: [Range<Int>], dense: PruningReport.Quality?,
    stages: [PruningReport.Stage], seconds: PruningReport.Seconds, on world: Communicator
  ) throws {
    state.stage += 1
    state.dense = dense
    (state.stages, state.seconds) = (stages, seconds)
    if let gradients { state.gradients.append(gradients) }
    let isFirst = world.rank == 0
    try world.agree {
      guard isFirst else { return }
      try AtomicFile.makeDirectories(path)
      if lock < 0 { try takeLock() }
    }
    try checkpoints.save(step: done, record: Self.record, on: world) { directory in
      try world.agree {
        if isFirst { try model.write(weights, to: "\(directory)/\(Self.model)") }
      }
      try mask.write(of: tensors, slices: slices, to: "\(directory)/\(Self.masks)", on: world)
      return try world.agree {
        guard isFirst else { return "" }
        for name in [Self.model, Self.masks] {
          state.files[name] = try SHA256.ofFile("\(directory)/\(name)")
        }
        return try SealedJSON.text(of: state, digest: Self.digestKey)
      }
    }
  }

  /// Returns true if an output directory holds the newest stage's model but no report: a call was
  /// killed while it wrote.
  func hasBegun(_ output: OutputFiles) throws -> Bool {
    guard access(output.model, F_OK) == 0, access(output.report, F_OK) != 0 else { return false }
    return try SHA256.ofFile(output.model) == state.files[Self.model]
  }

  // MARK: Checks, on rank 0

  /// Returns the settings that must be equal in all calls: all but file names.
  private static func compared(_ settings: PruneSettings) -> [String: String] {
    var compared: [String: String] = [:]
    for option in declaredOptions(in: settings) {
      compared[option.name] = option.value?.joined(separator: " ")
    }
    for name in ["weights", "masks", "output", "sparse-output", "state", "page-directory"] {
      compared[name] = nil
    }
    if case .file = settings.source.files.gradients { compared["gradients"] = "FILE" }
    return compared
  }

  /// Locks the directory, so that two calls cannot compute the same stage at once.
  private func takeLock() throws(InputError) {
    lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else { throw .system(path, "cannot open the directory") }
    // A file system without locks reports another error: continue without the lock.
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw InputError(path, "another process uses this directory")
    }
  }

  /// Returns the record of a stage if its files are intact and its settings are those of this call.
  ///
  /// - Throws: `InputError` naming the directory or file and the difference.
  private func checked(_ stage: Int) throws(InputError) -> StageRecord {
    let directory = checkpoints.path(step: stage)
    let remedy = "(remove \(directory) to continue from the stage before it)"
    let found: StageRecord
    do throws(InputError) {
      let file = "\(directory)/\(Self.record)"
      found = try SealedJSON.record(
        StageRecord.self, from: Array(try TextFile.read(file).utf8), file: file,
        digest: Self.digestKey)
      for (name, digest) in found.files where try SHA256.ofFile("\(directory)/\(name)") != digest {
        throw InputError("\(directory)/\(name)", "differs from the file as written")
      }
      guard found.stage == stage, found.formatVersion == 1 else {
        throw InputError(file, "belongs to another stage, or to another version of this program")
      }
    } catch {
      throw InputError("\(error.subject)", "\(error.problem) \(remedy)", got: error.got)
    }
    let before = Dictionary(
      uniqueKeysWithValues: found.settings.map {
        (RenamedOptions.name($0, of: Prune.configuration.commandName!), $1)
      })
    for flag in Set(before.keys).union(state.settings.keys).sorted() {
      // Records of earlier versions lack newer settings; this is the value that they used.
      let before = before[flag] ?? ["precision": "float32"][flag]
      let now = state.settings[flag]
      guard before == now else {
        throw InputError(
          directory, "has other settings", expected: "--\(flag) \(before ?? "not set")",
          got: "\(now ?? "not set")")
      }
    }
    let files = settings.source.files
    for (flag, path, before, now) in [
      ("--weights", files.weights, found.weights, state.weights),
      ("--masks", settings.tensors.masks ?? "none", found.masks, state.masks),
    ] where before != now {
      throw InputError(
        directory, "the first stage started from other \(flag)",
        expected: before.map { "a file with SHA-256 \($0)" } ?? "none",
        got: "\(path)" + (now.map { " with \($0)" } ?? ""))
    }
    if case .file(let file) = files.gradients, let gradients,
      let used = found.gradients.firstIndex(of: gradients), stage < settings.selection.stages
    {
      throw InputError(
        file, "stage \(used + 1) already used these gradients",
        expected: "the gradients of \(self.path(Self.model, stage: stage))")
    }
    return found
  }
}
