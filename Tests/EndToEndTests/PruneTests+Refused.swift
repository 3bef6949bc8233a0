import Formats
import Foundation
import Support
import Testing

extension PruneTests {
  /// Arguments that must be refused, with texts that the message must contain. WEIGHTS and MASKS
  /// are replaced by files of another network, TABLE by a table of 40 examples.
  static let refused: [(arguments: [String], says: [String])] = [
    ([], ["--sparsity", "--sweep", "neither"]),
    (["--sparsity", "0.5", "--sweep", "0.5"], ["--sparsity", "both"]),
    (["--sparsity", "1"], ["--sparsity", "in [0, 1)", "1.0"]),
    (["--sparsity", "0.5", "--damping", "0"], ["--damping", "> 0", "0.0"]),
    (["--sparsity", "0.5", "--stages", "0"], ["--stages", "in 1...", "0"]),
    (["--pattern", "2:4", "--stages", "2"], ["--pattern", "--stages", "2:4"]),
    (["--sparsity", "0.5", "--gradients", "0"], ["--gradients", "in 1...", "0"]),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--gradient-batch", "5000"],
      ["--gradient-batch", "1 to 1437", "5000"]
    ),
    (
      ["--sparsity", "0.5", "--gradient-scale", "1", "--update", "independent"],
      ["--gradient-scale", "--update independent"]
    ),
    (["--sparsity", "0.5", "--method", "mfac", "--damping", "1e-4,0"], ["--damping", "> 0"]),
    (
      ["--sparsity", "0.5", "--method", "diagonal", "--damping", "1e-4,1e-3"],
      ["--damping", "one value with --method diagonal"]
    ),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--update-step", "0.5,1.5"],
      ["--update-step", "in [0, 1]"]
    ),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--held-out", "100"],
      ["--held-out", "several values"]
    ),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--update-step", "0.5,1", "--held-out", "1437"],
      ["--held-out 1437", "fewer than the 1437 training examples"]
    ),
    (
      ["--sparsity", "0.5", "--method", "woodfisher", "--select", "exchange"],
      ["--select", "--method mfac", "woodfisher"]
    ),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--select", "iht", "--pattern", "1x4"],
      ["--select", "unstructured", "1x4"]
    ),
    (["--sparsity", "0.5", "--greedy-steps", "4"], ["--greedy-steps", "--select greedy"]),
    // More rows than the table has examples: some are equal.
    (
      [
        "--dataset", "csv:TABLE", "--task", "classification", "--sparsity", "0.5", "--method",
        "mfac", "--gradients", "60", "--damping", "1e-300",
      ],
      ["λ 1e-300 is too small", "60 gradients"]
    ),
    (
      ["--sparsity", "0.5", "--method", "mfac", "--page-directory", "/nowhere"],
      ["--page-directory /nowhere: No such file or directory"]
    ),
    (["--sparsity", "-0.1"], ["--sparsity", "in [0, 1)", "-0.1"]),
    (["--sparsity", "nan"], ["--sparsity", "in [0, 1)", "nan"]),
    (["--sweep", "0.9,0.5"], ["--sweep", "increasing", "0.9,0.5"]),
    (["--sweep", "0.9,1"], ["--sweep", "[0, 1)", "0.9,1.0"]),
    (["--sweep", "0.9,much"], ["--sweep", "0.9,much"]),
    (["--sparsity", "0.5", "--method", "random"], ["--method", "random", "magnitude"]),
    (["--sparsity", "0.5", "--scope", "local"], ["--scope", "local", "global"]),
    (["--sparsity", "0.5", "--pattern", "4:2"], ["--pattern", "4:2"]),
    (["--sparsity", "0.5", "--pattern", "2:4"], ["--sparsity", "none with --pattern 2:4", "0.5"]),
    (["--pattern", "2:4", "--scope", "uniform"], ["--scope", "--pattern 2:4", "uniform"]),
    (
      ["--pattern", "2:4", "--max-tensor-sparsity", "0.4"],
      ["pattern 2:4", "sparsity of 0.5", "at most 0.4"]
    ),
    (
      ["--sparsity", "0.5", "--pattern", "1x5"],
      ["'1.weight'", "pattern 1x5", "multiple of 1 outputs and of 5 inputs", "[128, 64]"]
    ),
    (
      ["--sparsity", "0.5", "--pattern", "1x4", "--include", "1.*"],
      ["'1.bias'", "pattern 1x4", "two dimensions", "[128]"]
    ),
    (["--sparsity", "0.5", "--max-tensor-sparsity", "0"], ["--max-tensor-sparsity", "(0, 1]"]),
    (
      ["--sparsity", "0.5", "--max-tensor-sparsity", "0.4"],
      ["sparsity of 0.5", "8512 weights", "at most", "0.4"]
    ),
    (
      ["--sparsity", "0.5", "--scope", "uniform", "--max-tensor-sparsity", "0.4"],
      ["sparsity of 0.5", "'1.weight'", "at most", "0.4"]
    ),
    (["--sparsity", "0.5", "--scope", "per-tensor"], ["--tensor-sparsity", "per-tensor", "none"]),
    (["--sparsity", "0.5", "--tensor-sparsity", "1.*=0.5"], ["--tensor-sparsity", "1.*=0.5"]),
    (
      ["--sparsity", "0.5", "--scope", "per-tensor", "--tensor-sparsity", "1.*=1.5"],
      ["--tensor-sparsity", "1.*=1.5"]
    ),
    (
      ["--sparsity", "0.5", "--scope", "per-tensor", "--tensor-sparsity", "7.*=0.5"],
      ["--tensor-sparsity", "7.*=0.5", "1.weight, 3.weight, 5.weight"]
    ),
    (
      ["--sparsity", "0.1", "--scope", "per-tensor", "--tensor-sparsity", "1.*=0.9"],
      ["sparsity of 0.1", "single tensors", "got -"]
    ),
    (["--sparsity", "0.5", "--include", "fc*"], ["--include", "'fc*'", "1.weight, 1.bias"]),
    (["--sparsity", "0.5", "--exclude", "fc*"], ["--exclude", "'fc*'", "1.weight, 1.bias"]),
    (["--sparsity", "0.5", "--exclude", "*"], ["no weight is prunable"]),
    (["--sparsity", "0.5", "--masks", "MASKS"], ["MASKS", "another model", "'0.weight'"]),
    (["--sparsity", "0.5", "--masks", "WEIGHTS"], ["WEIGHTS", "'0.weight'"]),
    (["--sparsity", "0.5", "--masks", "/nowhere"], ["/nowhere"]),
    (["--sparsity", "0.5", "--weights", "WEIGHTS"], ["WEIGHTS", "1.weight"]),
    (["--sparsity", "0.5", "--weights", "/nowhere"], ["/nowhere"]),
    (["--sparsity", "0.5", "--model", "cnnn"], ["--model", "cnnn"]),
    (["--sparsity", "0.5", "--dataset", "fashion"], ["dataset", "got 'fashion'"]),
    (["--sparsity", "0.5", "--loss", "mean"], ["--loss", "mean"]),
    (["--sparsity", "0.5", "--output", ""], ["--output", "empty"]),
    (["--sparsity", "0.5", "--weigh", "bytes"], ["--weigh", "bytes"]),
    (
      ["--sparsity", "0.5", "--sparsity-of", "flops", "--scope", "uniform"],
      ["--sparsity-of", "uniform", "flops"]
    ),
    (["--sparsity", "0.5", "--block-scope", "layer"], ["--block-scope", "layer"]),
    (["--sparsity", "0.5", "--pattern", "rows"], ["--pattern", "rows"]),
    (["--sparsity", "0.5", "--pattern", "channels", "--include", "*"], ["channels", "'1.bias'"]),
    (
      ["--sparsity", "0.5", "--weigh", "flops", "--include", "*"], ["'1.bias'", "multiply-adds"]
    ),
    (["--sparsity", "0.5", "--output", "WEIGHTS/x"], ["--output", "WEIGHTS/x", "directory"]),
  ]

  @Test("bad input is refused in one message") func badInput() throws {
    let weights = try trained("mlp")
    let other = try trained("cnn")
    let masks = "\(try prune("cnn", to: "other", ["--sparsity", "0.5"]).output)/masks.safetensors"
    let lines = (0..<40).map { example in
      ((0..<64).map { "\((7 * example + 11 * $0 + example * $0) % 17)" } + ["\(example % 10)"])
        .joined(separator: ",")
    }
    let names = (0..<64).map { "x\($0)" } + ["class"]
    let table = try directory.write(
      ([names.joined(separator: ",")] + lines).joined(separator: "\n"), to: "table.csv")
    for (index, (arguments, says)) in Self.refused.enumerated() {
      for ranks in [nil, 3] {
        let output = directory.path("refused-\(index)-\(ranks ?? 0)")
        let given =
          ["--dataset", "digits", "--model", "mlp", "--weights", weights, "--output", output]
          + arguments.map {
            $0.replacing("WEIGHTS", with: other).replacing("MASKS", with: masks)
              .replacing("TABLE", with: table)
          }
        let outcome = try Program.run(
          Program.process(ranks: ranks, program: Program.prune, given))
        let errors = outcome.errors.replacing(other, with: "WEIGHTS").replacing(
          masks, with: "MASKS")
        #expect(outcome.status != 0, "\(arguments)")
        #expect(
          errors.components(separatedBy: "Error: ").count == 2, "\(arguments): \(errors)")
        for part in says { #expect(errors.contains(part), "'\(part)' in \(errors)") }
        #expect(!errors.contains("Fatal") && !errors.contains("***"), "\(errors)")
        #expect(!FileManager.default.fileExists(atPath: output), "\(arguments)")
        // Refusals before MPI starts are the same for any number of ranks.
        if errors.contains("\nUsage: "), index % 6 != 0 { break }
      }
    }
  }

  /// Tries files that are not masks, masks that remove too much, and files that would be replaced.
  @Test("masks that do not fit the network or the sparsity are refused")
  func mismatchedMasks() throws {
    let (output, _) = try prune("mlp", to: "once", ["--sparsity", "0.5"])
    let masks = "\(output)/masks.safetensors"
    let wrong = directory.path("wrong.safetensors")
    let file = try SafetensorsFile(path: masks)
    func write(_ change: (String, inout [UInt8]) -> Bool) throws {
      try SafetensorsFile.write(
        try file.tensors.compactMap { entry in
          var values = try mask(file, entry.name)
          return change(entry.name, &values) ? (entry.name, .uint8, entry.shape, values) : nil
        }, to: wrong)
    }
    func refusal(_ arguments: [String]) throws -> String {
      let outcome = try Program.run(
        Program.process(
          ranks: 2, program: Program.prune,
          ["--dataset", "digits", "--model", "mlp", "--weights", try trained("mlp")] + arguments))
      #expect(outcome.status != 0)
      #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
      return outcome.errors
    }
    let new = ["--sparsity", "0.6", "--output", directory.path("none")]
    try write { _, values in
      values[5] = 2
      return true
    }
    #expect(try refusal(new + ["--masks", wrong]).contains("0 or 1, got 2 at element 5"))
    try write { name, _ in name != "3.weight" }
    #expect(try refusal(new + ["--masks", wrong]).contains("no mask of '3.weight'"))
    let less = ["--sparsity", "0.4", "--output", directory.path("none"), "--masks", masks]
    #expect(try refusal(less).contains("the previous mask removes more of '"))
    #expect(!FileManager.default.fileExists(atPath: directory.path("none")))

    let before = try bytes("\(output)/model.safetensors")
    #expect(
      try refusal(["--sparsity", "0.6", "--output", output]).contains(
        "\(output)/model.safetensors already exists"))
    #expect(try bytes("\(output)/model.safetensors") == before)
    // Masks of 0 and 1 in another type are accepted.
    try write { _, _ in true }
    _ = try prune("mlp", to: "again", ["--sparsity", "0.6", "--masks", wrong])
  }
}
