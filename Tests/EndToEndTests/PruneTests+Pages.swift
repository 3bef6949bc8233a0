import Foundation
import Testing

extension PruneTests {
  /// Paged gradients give the same result as gradients in memory, and leave no file.
  @Test(
    "gradients in pages give the same bytes",
    arguments: [
      ["--method", "mfac", "--stages", "2"], ["--method", "woodfisher", "--block-size", "300"],
      ["--method", "woodfisher", "--block-size", "20", "--update", "independent"],
      ["--method", "diagonal"],
    ])
  func pagedGradients(arguments: [String]) throws {
    let pages = directory.path("pages")
    try FileManager.default.createDirectory(atPath: pages, withIntermediateDirectories: true)
    let common = ["--sparsity", "0.8", "--gradients", "40"] + arguments
    var files: Set<[Data]> = []
    for (name, ranks, more) in [
      ("memory", nil, []), ("pages", nil, ["--page-directory", pages]),
      ("pages-3", 3, ["--page-directory", pages]),
    ] as [(String, Int?, [String])] {
      let (output, text) = try prune(
        ranks: ranks, "mlp", to: "\(name)-\(arguments.joined())", common + more)
      #expect(text.contains("paged in \(pages)") == !more.isEmpty)
      files.insert(
        [try bytes("\(output)/model.safetensors"), try bytes("\(output)/masks.safetensors")])
    }
    #expect(files.count == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: pages).isEmpty)
  }
}
