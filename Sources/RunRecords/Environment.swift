/// Where a process of a run works, a line of `environment.jsonl`: rank 0's machine, but for the
/// hosts.
package struct Environment: Codable {
  /// ISO 8601.
  package var started: String?
  /// Steps that the run has taken before.
  package var fromStep: Int?
  package var ranks: Int?
  /// Those of all ranks, each once.
  package var hosts: [String]?
  /// The model's name; nil where the system does not tell it.
  package var cpu: String?
  package var cores: Int?
  package var blasCoreType: String?
  /// Versions.
  package var openblas: String?
  package var openMpi: String?
  package var swiftMfac: String?
  /// As a shell would take it.
  package var commandLine: String?

  package init() {}
}
