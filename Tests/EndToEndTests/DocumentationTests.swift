import Foundation
import Optimizers
import Support
import Testing

/// Checks the output of `make docs` and the links of the manual.
@Suite(.serialized) struct DocumentationTests {
  private static func programs() throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(Program.package)/Sources")
      .filter { $0.hasPrefix("swift-mfac-") }
    try #require(names.count >= 4)
    return names
  }

  private static let docs = Result {
    let out = try TemporaryDirectory()
    let outcome = try Program.run(
      Program.process(
        ranks: nil, program: "\(Program.package)/Launch/docs.sh", [Program.directory, out.root]))
    try #require(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    return out
  }

  private func run(_ program: String, _ arguments: [String]) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: nil, program: program, arguments))
  }

  /// The library's symbols and their documentation, from the compiler.
  private struct Graph: Decodable {
    struct Symbol: Decodable {
      struct Kind: Decodable { let identifier: String }
      struct Comment: Decodable {}
      let kind: Kind
      let pathComponents: [String]
      let docComment: Comment?
    }
    let symbols: [Symbol]
  }

  /// Properties and cases need no comment if their names say it.
  @Test("every public type and function has a documentation comment")
  func documentedSymbols() throws {
    let out = try Self.docs.get()
    let graphs = try FileManager.default.contentsOfDirectory(atPath: out.path("graphs"))
    #expect(graphs.count > 10, "\(graphs)")
    let exempt: Set = ["swift.enum.case", "swift.property", "swift.type.property"]
    for file in graphs.sorted() {
      let data = try Data(contentsOf: URL(filePath: out.path("graphs/\(file)")))
      let symbols = try JSONDecoder().decode(Graph.self, from: data).symbols
      let bare = symbols.filter { $0.docComment == nil && !exempt.contains($0.kind.identifier) }
        .map { $0.pathComponents.joined(separator: ".") }
      #expect(bare.isEmpty, "\(file) has no documentation of \(bare.sorted())")
    }
    #expect(FileManager.default.fileExists(atPath: out.path("docs/documentation/mfac/index.html")))
  }

  @Test("links of the README and the manual lead to files, and no page is left out")
  func links() throws {
    let out = try Self.docs.get()
    let catalog = "Sources/MFAC/MFAC.docc"
    let pages = try FileManager.default.contentsOfDirectory(atPath: "\(Program.package)/\(catalog)")
      .filter { $0.hasSuffix(".md") }
    try #require(pages.count > 10)
    for file in ["README.md", "Launch/README.md"] + pages.map({ "\(catalog)/\($0)" }) {
      let path = URL(filePath: "\(Program.package)/\(file)")
      let text = try String(contentsOf: path, encoding: .utf8)
      for link in text.matches(of: /\]\((?!https?:)([^)#]+)[^)]*\)/).map({ String($0.1) }) {
        let target = path.deletingLastPathComponent().appending(path: link).path
        #expect(FileManager.default.fileExists(atPath: target), "\(file): \(link)")
      }
    }
    let readme = try String(contentsOfFile: "\(Program.package)/README.md", encoding: .utf8)
    let root = try String(
      contentsOfFile: "\(Program.package)/\(catalog)/MFAC.md", encoding: .utf8)
    for page in pages where page != "MFAC.md" {
      #expect(readme.contains("\(catalog)/\(page))"), "README.md does not link to \(page)")
      #expect(root.contains("](\(page))\n"), "MFAC.md does not list \(page)")
      let made = "docs/data/documentation/mfac/\(page.dropLast(3).lowercased())guide.json"
      #expect(FileManager.default.fileExists(atPath: out.path(made)), "\(made)")
    }
    #expect(readme.utf8.count <= 8192)
  }

  @Test("manual pages are well formed") func manualPages() throws {
    let out = try Self.docs.get()
    let pages = try FileManager.default.contentsOfDirectory(atPath: out.path("man")).sorted()
    for name in try Self.programs() {
      #expect(pages.contains("\(name).1"))
    }
    let train = try String(contentsOfFile: out.path("man/swift-mfac-train.1"), encoding: .utf8)
    #expect(
      train.contains(
        ".It Fl -optimizer Ar \(OptimizerName.names.joined(separator: " | "))\n")
        && train.allSatisfy(\.isASCII))
  }

  private static let hasMandoc =
    (try? Program.run(
      Program.process(ranks: nil, program: "/usr/bin/env", ["which", "mandoc"])
    ).status) == 0

  @Test(
    "mandoc finds no fault in the manual pages",
    .enabled(if: hasMandoc, "mandoc is not on this machine (apt-get install mandoc)"))
  func mandocLint() throws {
    let out = try Self.docs.get()
    let pages = try FileManager.default.contentsOfDirectory(atPath: out.path("man"))
    let lint = try run(
      "/usr/bin/env",
      ["mandoc", "-T", "lint", "-W", "warning"] + pages.sorted().map { out.path("man/\($0)") })
    #expect(lint.status == 0, "\(lint.output)\(lint.errors)")
  }

  /// Returns bash's completions of the last word.
  private func completions(_ words: [String], in directory: String) throws -> [String] {
    let script = """
      source "$0/$1"
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
      COMP_TYPE=9; COMP_KEY=9
      $(complete -p "$1" | sed -E 's/.*-F ([^ ]+).*/\\1/') "$1" "${@: -1}" "${@: -2:1}"
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let outcome = try run("/bin/bash", ["-c", script, directory] + words)
    return outcome.output.split(separator: "\n").map(String.init).sorted()
  }

  @Test("shells complete options, values and subcommands") func shellCompletion() throws {
    let out = try Self.docs.get()
    let directory = out.path("completions")
    for name in try Self.programs() {
      for file in ["\(name)", "_\(name)", "\(name).fish"] {
        #expect(FileManager.default.fileExists(atPath: "\(directory)/\(file)"))
      }
    }
    func offered(_ words: String...) throws -> [String] { try completions(words, in: directory) }
    #expect(try offered("swift-mfac-train", "--window-t") == ["--window-type"])
    #expect(
      try offered("swift-mfac-train", "--optimizer", "") == OptimizerName.names.sorted())
    #expect(try offered("swift-mfac-train", "ins") == ["inspect"])
    #expect(try offered("swift-mfac-fisher", "influence", "--wei") == ["--weights"])
    #expect(try offered("swift-mfac-train", "--config", "/etc/hostn") == ["/etc/hostname"])
  }

  @Test("programs print their version") func versions() throws {
    for name in try Self.programs() {
      let outcome = try run("\(Program.directory)/\(name)", ["--version"])
      #expect(outcome.status == 0 && outcome.errors.isEmpty)
      #expect(outcome.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil, "\(outcome.output)")
    }
  }
}
