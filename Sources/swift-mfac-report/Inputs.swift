import Formats
import Foundation
import RunRecords

/// Reads the runs and files of a report; their content identifies their kind.
struct Inputs {
  private(set) var runs: [TrainingRun] = []
  private(set) var prunings: [String] = []
  private(set) var benchmarks: [(path: String, results: Benchmark)] = []
  private var known: Set<String> = []

  /// Reads all paths.
  ///
  /// - Parameter paths: directories of runs, parent directories of these, and files of results.
  /// - Throws: `InputError` naming a path that is none of these, or is damaged.
  init(_ paths: [String]) throws {
    for path in paths {
      guard let kind = try Self.kind(of: path) else { throw Self.unknown(path) }
      try add(path, kind)
    }
  }

  private enum Kind {
    case run, pruning, benchmark
    case directory([String])
  }

  private mutating func add(_ path: String, _ kind: Kind) throws {
    // The user may name a path twice, or together with its directory.
    let resolved = URL(filePath: path).resolvingSymlinksInPath().path
    guard known.insert(resolved).inserted else { return }
    switch kind {
    case .run: runs.append(try TrainingRun(path))
    case .pruning: prunings.append(Self.report(in: path) ?? path)
    case .benchmark: benchmarks.append((path, try Benchmark(of: path)))
    case .directory(let entries):
      for entry in entries {
        if let kind = try Self.kind(ofEntry: entry) { try add(entry, kind) }
      }
    }
  }

  private static func kind(of path: String) throws -> Kind? {
    if let kind = try kind(ofEntry: path) { return kind }
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw InputError(path, "there is no such file or directory")
    }
    guard isDirectory.boolValue else { return nil }
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw InputError(path, "cannot be read: \(error.localizedDescription)")
    }
    let directory = path.hasSuffix("/") ? String(path.dropLast()) : path
    let entries = names.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
      .map { "\(directory)/\($0)" }
    let isAny = try entries.contains { try kind(ofEntry: $0) != nil }
    return isAny ? .directory(entries) : nil
  }

  /// Returns the kind of a run, a report or a file of results; nil for anything else.
  private static func kind(ofEntry path: String) throws -> Kind? {
    if TrainingRun.isOne(path) { return .run }
    if report(in: path) != nil { return .pruning }
    guard path.hasSuffix(".json"), access(path, F_OK) == 0 else { return nil }
    switch try Benchmark.Form(of: path) {
    case .pruning: return .pruning
    case nil: return nil
    default: return .benchmark
    }
  }

  private static func report(in directory: String) -> String? {
    let report = "\(directory)/report.json"
    return access(report, F_OK) == 0 ? report : nil
  }

  private static func unknown(_ path: String) -> InputError {
    let entries = try? FileManager.default.contentsOfDirectory(atPath: path)
    return InputError(
      path, "holds no results",
      expected: "the directory of a run or of a pruned network, with metrics.jsonl or report.json, "
        + "or a .json file of swift-mfac-bench or swift-mfac-prune",
      got: entries.map { entries in
        entries.isEmpty ? "an empty directory" : "one with \(InputError.list(entries.sorted()))"
      } ?? "another file")
  }
}

/// Holds the JSON results of `swift-mfac-bench`.
enum Benchmark {
  case scaling(ScalingCurves)
  case step(StepReport)
  case window([WindowReport])
  case networks([NetworkReport])

  /// Identifies the command that wrote a file, by the keys in it.
  enum Form {
    case scaling, step, window, networks, pruning

    /// Reads the keys of a file; nil for other JSON.
    ///
    /// - Throws: `InputError` if the file is not JSON.
    init?(of path: String) throws {
      let content: Any
      do { content = try JSONSerialization.jsonObject(with: try contents(of: path)) } catch {
        if let error = error as? InputError { throw error }
        throw InputError(path, "is not JSON", expected: "results of swift-mfac-bench or -prune")
      }
      let first = content as? [String: Any] ?? (content as? [[String: Any]])?.first ?? [:]
      func has(_ keys: String...) -> Bool { keys.allSatisfy { first[$0] != nil } }
      if content is [Any] {
        if has("window", "streaming_bytes_per_second") {
          self = .window
        } else if has("network", "median_ms") {
          self = .networks
        } else {
          return nil
        }
      } else if has("curves") {
        self = .scaling
      } else if has("problem", "result") {
        self = .step
      } else if has("method", "results", "prunable") {
        self = .pruning
      } else {
        return nil
      }
    }
  }

  /// Reads a file of results.
  ///
  /// - Throws: `InputError` naming a missing or wrong value.
  init(of path: String) throws {
    let decoder = JSONText.decoder
    let data = try contents(of: path)
    do {
      switch try Form(of: path) {
      case .scaling: self = .scaling(try decoder.decode(ScalingCurves.self, from: data))
      case .step: self = .step(try decoder.decode(StepReport.self, from: data))
      case .window: self = .window(try decoder.decode([WindowReport].self, from: data))
      case .networks: self = .networks(try decoder.decode([NetworkReport].self, from: data))
      case .pruning, nil:
        throw InputError(path, "holds no results of swift-mfac-bench")
      }
    } catch let error as DecodingError {
      throw InputError(
        path, "cannot be used", expected: "results as swift-mfac-bench writes them",
        got: "\(describe(error))")
    }
  }
}

private func contents(of path: String) throws -> Data { Data(try InputFile.contents(of: path)) }
