/// A line of `environment.jsonl`: where a process of a run works. All but the hosts describes rank
/// 0's machine.
package struct Environment: Codable {
  /// The time in ISO 8601.
  package var started: String?
  /// Steps that the run has taken before.
  package var fromStep: Int?
  package var ranks: Int?
  /// The hosts of all ranks, each once.
  package var hosts: [String]?
  /// The name of the CPU's model; nil if the system does not have it.
  package var cpu: String?
  package var cores: Int?
  package var blasCoreType: String?
  /// Versions.
  package var openblas: String?
  package var openMpi: String?
  package var swiftMfac: String?
  /// The command line as a shell takes it.
  package var commandLine: String?

  package init() {}

  /// Reads a run's processes, in their order.
  ///
  /// - Throws: `InputError` naming the line that describes none.
  package static func read(_ path: String) throws -> [Environment] {
    var starts: [Environment] = []
    let lines = JSONLines<Environment>(
      of: path, expected: "the environment of a process, such as {\"ranks\":8,…}")
    try lines.read { starts.append($0) }
    return starts
  }
}
