import LinearAlgebra
import MPI

/// Options that had another name in an earlier version: the old names are understood, with a
/// warning, and are not in the help.
package enum RenamedOptions {
  /// By program, without dashes.
  private static let names: [String: [String: String]] = [
    "swift-mfac-train": ["initial-weights": "weights"],
    "swift-mfac-prune": ["step": "update-step"],
    "swift-mfac-bench": ["windows": "window"],
    "swift-mfac-report": ["out": "output"],
  ]

  /// The name that an option has now.
  package static func name(_ name: String, of program: String) -> String {
    names[program]?[name] ?? name
  }

  /// A command line with the names that options have now, and a warning for each old one.
  package static func renew(
    _ arguments: [String], of program: String
  ) -> (arguments: [String], warnings: [String]) {
    var warnings: [String] = []
    let renewed = arguments.map { argument in
      guard argument.hasPrefix("--") else { return argument }
      let old = String(argument.dropFirst(2).prefix { $0 != "=" })
      let new = name(old, of: program)
      guard new != old else { return argument }
      warnings.append("--\(old) is --\(new) now: the old name goes with the next version")
      return "--\(new)" + argument.dropFirst(2 + old.count)
    }
    return (renewed, warnings)
  }
}

extension Launcher {
  /// The program's arguments, with the names that options have now.
  package static func arguments(of program: String) -> [String] {
    let (arguments, warnings) = RenamedOptions.renew(
      Array(CommandLine.arguments.dropFirst()), of: program)
    if !warnings.isEmpty, Communicator.isFirst {
      // It may start the program again.
      BLAS.repairCoreType()
      for warning in warnings { reportError(warning, as: "warning") }
    }
    return arguments
  }
}
