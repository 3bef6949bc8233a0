import ArgumentParser
import Networks

/// yes or no, or what else YAML has for them.
package enum Answer: String, CaseIterable, ExpressibleByArgument {
  case yes, no

  package init?(argument: String) {
    guard let answer = Bool(yaml: argument) else { return nil }
    self = answer ? .yes : .no
  }
}
