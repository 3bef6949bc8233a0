import Datasets
import Testing

/// Reads all examples of a data set and checks them.
func useAll(of dataset: Dataset) throws {
  for part in [dataset.training, dataset.test] {
    #expect(part.count > 0)
    #expect(part.inputs(part.allIndices).allSatisfy { $0.isFinite })
    switch part.targets {
    case .classes(let count, _):
      #expect(part.classes(part.allIndices).allSatisfy { $0 >= 0 && $0 < count })
    case .values: #expect(part.values(part.allIndices).allSatisfy { $0.isFinite })
    }
    #expect(!part.bytes.isEmpty)
  }
}
