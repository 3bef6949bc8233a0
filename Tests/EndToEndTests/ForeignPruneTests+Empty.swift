import Formats
import Foundation
import RunRecords
import Support
import Testing

extension ForeignPruneTests {
  /// Writes tensors with some zeros; if `rows` is not nil, that many rows of each.
  private func write(
    _ tensors: [(name: String, type: TensorType, shape: [Int])], rows: Int? = nil, to name: String
  ) throws -> String {
    try AtomicFile.write(to: directory.path(name)) { file throws(InputError) in
      try SafetensorsFile.write(
        tensors.map { ($0.name, $0.type, (rows.map { [$0] } ?? []) + $0.shape) }, to: file
      ) { index, memory in
        guard tensors[index].type == .float32 else { return }
        let numbers = memory.bindMemory(to: Float.self)
        for i in numbers.indices { numbers[i] = Float((i + index) * 37 % 64 - 31) / 16 }
      }
    }
    return directory.path(name)
  }

  private static let empty: [(name: String, type: TensorType, shape: [Int])] = [
    ("none", .float32, [0]), ("rows", .float32, [2, 0]), ("half", .float16, [0, 3, 3, 3]),
    ("eighth", .float8E4M3, [2, 0]),
  ]

  /// Tensors without elements are copied unchanged, whatever happens to the others.
  @Test("empty tensors pass through unchanged") func emptyTensors() throws {
    let tensors = [("a", .float32, [8, 6])] + Self.empty + [("b", .float32, [4, 8])]
    let weights = try write(tensors, to: "w.safetensors")
    let full = tensors.filter { !$0.2.contains(0) }
    let gradients = try write(full, rows: 5, to: "g.safetensors")
    let withEmpty = try write(
      tensors.filter { $0.1.isFloatingPoint }, rows: 5, to: "all.safetensors")
    let array = try write([("rows of all", .float32, [80])], rows: 5, to: "array.safetensors")
    let calls: [[String]] = [
      ["--gradients", "none"],
      ["--gradients", "none", "--exclude", "rows", "--sparse-output", "--pattern", "channels"],
      ["--gradients", gradients, "--method", "diagonal", "--scope", "uniform"],
      ["--gradients", withEmpty, "--method", "woodfisher", "--block-size", "7"],
      [
        "--gradients", array, "--method", "mfac", "--damping", "1e-2", "--stages", "1", "--state",
        directory.path("state"), "--include", "*",
      ],
    ]
    for (index, call) in calls.enumerated() {
      let output = directory.path("empty-\(index)")
      let outcome = try run(
        ranks: index == 4 ? 3 : nil,
        ["--weights", weights, "--sparsity", "0.5", "--output", output] + call)
      try #require(outcome.status == 0, "\(call): \(outcome.errors)")
      let file = try SafetensorsFile(path: "\(output)/model.safetensors")
      let sparse =
        index == 1 ? try SafetensorsFile(path: "\(output)/sparse.safetensors") : file
      let report = try PruningReport.read(output).results[0]
      for (name, type, shape) in Self.empty {
        #expect(file.tensor(name)?.shape == shape && file.tensor(name)?.dtype == type)
        #expect(sparse.tensor(name)?.shape == shape)
        guard let told = report.tensors.first(where: { $0.name == name }) else {
          #expect(type == .float8E4M3, "\(name) is not in the report")
          continue
        }
        #expect(told.shape == shape && told.weights == 0 && told.sparsity == 0)
        #expect(!told.isPrunable)
      }
      #expect(report.tensors.filter { $0.weights > 0 }.map(\.name) == ["a", "b"])
      #expect(try file.values("a", as: Float.self).count { $0 == 0 } > 0)
      // Another call continues from its masks with the same file.
      let again = try run([
        "--weights", "\(output)/model.safetensors", "--gradients", "none", "--sparsity", "0.9",
        "--masks", "\(output)/masks.safetensors", "--output", "\(output)-again",
      ])
      #expect(again.status == 0, "\(again.errors)")
    }
    let answer = directory.path("diagonal.safetensors")
    let asked = try Program.run(
      Program.process(
        ranks: nil, program: Program.fisher,
        ["diagonal", "--weights", weights, "--gradients", withEmpty, "--output", answer]))
    #expect(asked.status == 0, "\(asked.errors)")
    let answers = try SafetensorsFile(path: answer)
    for (name, type, shape) in tensors {
      #expect(answers.tensor(name)?.shape == (type.isFloatingPoint ? shape : nil), "\(name)")
    }

    let nothing = try write(Array(Self.empty.prefix(3)), to: "nothing.safetensors")
    let refused = try run([
      "--weights", nothing, "--gradients", "none", "--sparsity", "0.5", "--output",
      directory.path("nothing"),
    ])
    #expect(refused.status != 0 && refused.errors.contains("holds no weights"), "\(refused.errors)")
  }
}
