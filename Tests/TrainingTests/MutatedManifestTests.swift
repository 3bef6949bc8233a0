import Checkpoints
import Formats
import Mutations
import Testing
import Training

/// Tests corrupted manifests: each is read correctly or refused with a message. None causes a trap,
/// a hang, or an allocation that only its numbers ask for.
struct MutatedManifestTests {
  /// A network of 1000 parameters has 8 cells of 128.
  static let body = """
    {
      "batch_in_epoch" : 3,
      "cell_count" : 8,
      "cell_size" : 128,
      "core_type" : "Haswell",
      "epoch" : 1,
      "files" : [
        {
          "bytes" : 352,
          "name" : "curvature.safetensors",
          "sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        {
          "bytes" : 1160,
          "name" : "masks.safetensors",
          "sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        {
          "bytes" : 4064,
          "name" : "model.safetensors",
          "sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        {
          "bytes" : 9000,
          "cells" : [
            0,
            3
          ],
          "name" : "window-00001-of-00002.safetensors",
          "sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        {
          "bytes" : 12000,
          "cells" : [
            3,
            8
          ],
          "name" : "window-00002-of-00002.safetensors",
          "sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }
      ],
      "format_version" : 1,
      "has_window" : true,
      "initial_sparsity" : 0.5,
      "is_evaluated" : false,
      "learning_rate" : 0.001,
      "metrics_bytes" : 1234,
      "network" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "optimizer" : {
        "damping" : 0.0001,
        "filled" : 5
      },
      "parameter_count" : 1000,
      "program_sha256" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "seconds" : 12.5,
      "settings" : "window: 8\\n",
      "settings_sha256" : "\(SHA256.of("window: 8\n"))",
      "skipped_in_a_row" : 0,
      "step" : 47,
      "training_data" : "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "training_seconds" : 12.25
    """

  static let tokens = [
    "\"", "{", "}", "[", "]", ":", ",", "\\", "null", "true", "false", "1e308", "1e999", "-0.0",
    "0.5", "9223372036854775807", "9223372036854775808", "-1", "\"cells\" : [0, 16],", "\"cells\"",
    "\"step\" : 3,", "\"files\" : [],", "\\ud800", "\\u0000", "../", "/", ".safetensors", "window-",
    "\"extra\" : {},", "\u{e9}", "[[[[[[[[", "/* */", "//",
  ]

  /// Appends the digest of the body.
  static func signed(_ body: [UInt8]) -> [UInt8] {
    let digest = SHA256()
    body.withUnsafeBytes { digest.add($0) }
    return body + Array(",\n  \"manifest_sha256\" : \"\(digest.finish())\"\n}\n".utf8)
  }

  @Test("corrupted manifests are read correctly or refused") func spoiledManifests() async {
    await #expect(processExitsWith: .success) {
      limitMemory()
      let body = Array(Self.body.utf8)
      let whole = Self.signed(body)
      _ = try Manifest(text: whole, file: "f")
      let mutator = Mutator(tokens: Self.tokens, seed: 11)
      // Corrupted as by a disk: the digest detects everything.
      var unchanged = 0
      let found = try Tally(40_000, refusing: InputError.self) { number in
        let mutant = mutator.mutant(number, of: whole)
        if mutant == whole { unchanged += 1 }
        try Self.use(Manifest(text: mutant, file: "f"))
      }
      #expect(found.accepted == unchanged && unchanged < 400, "\(unchanged) unchanged, \(found)")
      // Changed as by another program, with a matching digest.
      let count = 80_000
      let tally = try Tally(count, refusing: InputError.self) { number in
        let mutant = mutator.mutant(count + number, of: body)
        try Self.use(Manifest(text: Self.signed(mutant), file: "f"))
      }
      #expect(tally.accepted > count / 50, "\(tally)")
      #expect(tally.refused > count / 2, "\(tally)")
    }
  }

  /// Checks the properties that readers rely on.
  static func use(_ manifest: Manifest) {
    // Sums of these numbers must not overflow.
    for count in [
      manifest.step, manifest.epoch, manifest.batchInEpoch, manifest.skippedInARow,
      manifest.metricsBytes,
    ] {
      #expect(count >= 0 && count < 1 << 48)
    }
    #expect(manifest.cellCount * manifest.cellSize >= manifest.parameterCount)
    // The files were verified before they are read.
    let names = manifest.files.map(\.name)
    #expect(names.contains("model.safetensors"))
    #expect(names.contains("curvature.safetensors") == manifest.hasWindow)
    #expect(names.contains("masks.safetensors") == (manifest.initialSparsity != nil))
    #expect(manifest.initialSparsity.map { (0...1).contains($0) } ?? true)
    for file in manifest.files {
      #expect(file.name.hasSuffix(".safetensors") && !file.name.contains("/"))
      #expect(file.bytes >= 0)
      #expect(file.cells.map { $0[0] < $0[1] && $0[1] <= manifest.cellCount } ?? true)
    }
  }

  @Test("deeply nested manifests are refused", arguments: ["[", "{\"a\":", "\"\\\\"])
  func nestedManifests(piece: String) {
    for depth in [400, 600, 100_000, 1_000_000] {
      let nest = String(repeating: piece, count: depth)
      for body in [nest, Self.body.replacing("0.001", with: nest)] {
        #expect(throws: InputError.self) {
          try Manifest(text: Self.signed(Array(body.utf8)), file: "f")
        }
      }
    }
  }
}
