/// A line of `environment.jsonl`; describes where and how a process of the run was started. All
/// fields but `hosts` describe rank 0's machine.
package struct Environment: Codable {
  /// The time in ISO 8601.
  package var started: String?
  /// Steps that earlier processes of the run have taken.
  package var fromStep: Int?
  package var ranks: Int?
  /// The hosts of all ranks, each once.
  package var hosts: [String]?
  /// Name of the CPU model; nil if the system does not give one.
  package var cpu: String?
  package var cores: Int?
  package var blasCoreType: String?
  /// Version strings: this and the next two fields.
  package var openblas: String?
  package var openMpi: String?
  package var swiftMfac: String?
  /// The command line, quoted for a shell.
  package var commandLine: String?

  package init() {}

  /// Reads the environments of a run's processes, in order.
  ///
  /// - Throws: `InputError` naming the line that is not such a record.
  package static func read(_ path: String) throws -> [Environment] {
    var starts: [Environment] = []
    let lines = JSONLines<Environment>(
      of: path, expected: "the environment of a process, such as {\"ranks\":8,…}")
    try lines.read { starts.append($0) }
    return starts
  }
}
