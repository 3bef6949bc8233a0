import Foundation
import Plots
import RunRecords

/// Builds the HTML page; it leaves out empty sections.
struct Page {
  let inputs: Inputs
  let names: [String]
  let seedGroups: SeedGroups
  private let givenTitle: String?
  let target: Double?
  let targetLoss: Double?

  /// Creates a page.
  ///
  /// - Parameters:
  ///   - target: the test accuracy to reach, in (0, 1].
  ///   - targetLoss: the test loss to reach.
  init(_ inputs: Inputs, title: String?, target: Double?, targetLoss: Double?) {
    self.inputs = inputs
    names = distinguishableNames(of: inputs.runs.map(\.path))
    seedGroups = SeedGroups(of: inputs.runs)
    givenTitle = title
    (self.target, self.targetLoss) = (target, targetLoss)
  }

  var runs: [TrainingRun] { inputs.runs }

  /// The number of inputs of each kind, in one line.
  var content: String {
    func count(_ number: Int, _ one: String, _ several: String) -> String? {
      number == 0 ? nil : "\(number) \(number == 1 ? one : several)"
    }
    return [
      count(runs.count, "run", "runs"),
      count(inputs.prunings.count, "pruning report", "pruning reports"),
      count(inputs.benchmarks.count, "benchmark", "benchmarks"),
    ].compactMap { $0 }.joined(separator: ", ")
  }

  private var title: String {
    givenTitle ?? (runs.count == 1 ? names[0] : "swift-mfac: \(content)")
  }

  /// Returns the page.
  ///
  /// - Throws: `InputError` naming a pruning report that cannot be used.
  func html() throws -> String {
    let sections = [
      HTML.section("Runs", [summary, notes]),
      HTML.section("Time to target", targets),
      HTML.section("Curves", curves),
      HTML.section("Seconds by phase", phases),
      HTML.section("Settings", settings),
      HTML.section("Scaling", benchmarks),
      HTML.section("Pruning", try pruning()),
      HTML.section("Environment", environment),
    ].filter { !$0.isEmpty }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(HTML.escaped(title))</title>
      <style>
      \(Style.sheet)
      </style>
      </head>
      <body>
      <header>
      <h1>\(HTML.escaped(title))</h1>
      \(givenTitle == nil ? "" : HTML.paragraph(content))
      </header>
      <main>
      \(sections.joined(separator: "\n"))
      </main>
      <footer>Written by swift-mfac-report. The numbers behind tables and curves are in this file: \
      as the values of &lt;data&gt; elements, and as JSON below each plot of a run.</footer>
      </body>
      </html>

      """
  }
}

/// Returns distinct names for paths: the shortest sequence of last components that differs from the
/// others.
func distinguishableNames(of paths: [String]) -> [String] {
  let parts = paths.map { path in
    URL(filePath: path).standardizedFileURL.path.split(separator: "/").map(String.init)
  }
  func name(_ index: Int, _ count: Int) -> String {
    let name = parts[index].suffix(count).joined(separator: "/")
    return name.isEmpty ? paths[index] : name
  }
  return paths.indices.map { index in
    let longest = parts[index].count
    let count = (1...max(longest, 1)).first { count in
      paths.indices.allSatisfy { $0 == index || name($0, count) != name(index, count) }
    }
    return name(index, count ?? longest)
  }
}
