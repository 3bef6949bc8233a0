import LinearAlgebra
import MPI

/// Options that an earlier version named differently. The programs accept the old names with a
/// warning; the help omits them.
package enum RenamedOptions {
  /// New names by program and old name, without dashes.
  private static let names: [String: [String: String]] = [
    "swift-mfac-train": ["initial-weights": "weights"],
    "swift-mfac-prune": ["step": "update-step"],
    "swift-mfac-bench": ["windows": "window"],
    "swift-mfac-report": ["out": "output"],
  ]

  /// Returns the current name of an option.
  package static func name(_ name: String, of program: String) -> String {
    names[program]?[name] ?? name
  }

  /// Replaces old names on a command line; returns a warning for each.
  package static func renew(
    _ arguments: [String], of program: String
  ) -> (arguments: [String], warnings: [String]) {
    var warnings: [String] = []
    let renewed = arguments.map { argument in
      guard argument.hasPrefix("--") else { return argument }
      let old = String(argument.dropFirst(2).prefix { $0 != "=" })
      let new = name(old, of: program)
      guard new != old else { return argument }
      warnings.append("--\(old) is now --\(new); the next version drops the old name")
      return "--\(new)" + argument.dropFirst(2 + old.count)
    }
    return (renewed, warnings)
  }
}

extension Launcher {
  /// Returns the program's arguments with current option names; rank 0 prints the warnings.
  package static func arguments(of program: String) -> [String] {
    let (arguments, warnings) = RenamedOptions.renew(
      Array(CommandLine.arguments.dropFirst()), of: program)
    if !warnings.isEmpty, Communicator.isFirst {
      // This call may restart the program, so it precedes the warnings.
      BLAS.repairCoreType()
      for warning in warnings { reportError(warning, as: "warning") }
    }
    return arguments
  }
}
