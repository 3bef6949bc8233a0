import Datasets
import LinearAlgebra
import Testing

/// Examples with properties set by a test, and no data.
private struct Claimed: Examples {
  var count = 3
  var inputShape = [2, 2]
  var targets = TargetKind.classes(count: 2, positions: 1)
  var source = "A"
  let byteCount = 5

  func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {}
  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {}
}

struct DatasetTests {
  @Test("a data set of matching parts is described") func matchingParts() throws {
    let dataset = try Dataset(
      name: "d", training: Claimed(), test: Claimed(count: 1), noun: "things", details: ", so")
    #expect(dataset.description == "d: 3 training and 1 test things, so")
    #expect(dataset.byteCount == 10)
    #expect(dataset.targetStd == 1 && dataset.columns == nil)
    #expect(dataset.training.inputCount == 4)
  }

  @Test("parts that do not match are refused") func mismatchedParts() {
    let values = TargetKind.values(count: 2)
    let one = TargetKind.classes(count: 1, positions: 4)
    let cases: [(training: Claimed, test: Claimed, message: String)] = [
      (Claimed(count: 0), Claimed(), "A: there are no training examples"),
      (Claimed(), Claimed(count: 0, source: "B"), "B: there are no test examples"),
      (
        Claimed(), Claimed(inputShape: [4], source: "B"),
        "B: the shape of its examples differs from A: expected [2, 2], got [4]"
      ),
      (
        Claimed(), Claimed(targets: values, source: "B"),
        "B: its targets differ from A: expected 2 classes, got 2 values"
      ),
      (
        Claimed(targets: one), Claimed(targets: one),
        "A: there is only one class: at least 2 are needed"
      ),
    ]
    for (training, test, message) in cases {
      #expect(
        refusal { _ = try Dataset(name: "d", training: training, test: test, details: "") }
          == message)
    }
  }

  @Test("targets are described in words") func targetDescriptions() {
    for (kind, text) in [
      (.classes(count: 10, positions: 1), "10 classes"),
      (.classes(count: 256, positions: 64), "256 classes at 64 positions"),
      (.values(count: 1), "1 value"), (.values(count: 3), "3 values"),
    ] as [(TargetKind, String)] {
      #expect(kind.description == text)
    }
    #expect(TargetKind.classes(count: 256, positions: 64).outputs == 256)
    #expect(TargetKind.classes(count: 256, positions: 64).positions == 64)
    #expect(TargetKind.values(count: 3).outputs == 3)
    #expect(TargetKind.values(count: 3).positions == 1)
  }

  @Test("asking for the wrong kind of target stops the program") func wrongTargetKind() async {
    await #expect(processExitsWith: .success) { _ = try Self.table().values([0]) }
    await #expect(processExitsWith: .failure) { _ = try Self.table().classes([0]) }
    await #expect(processExitsWith: .failure) { _ = Claimed().classes([0]) }
    await #expect(processExitsWith: .failure) { _ = try Self.table().inputs([-1]) }
    await #expect(processExitsWith: .failure) { _ = try Self.table().inputs([2]) }
  }

  static func table() throws -> any Examples {
    try Dataset(
      name: "t", csv: Array("1,2\n3,4\n5,6\n".utf8), file: "f", options: .init(), split: Split()
    ).training
  }
}
