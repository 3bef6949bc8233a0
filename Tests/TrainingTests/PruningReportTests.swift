import Formats
import Foundation
import RunRecords
import Testing

/// Tests the format of `report.json`, which other versions of the programs write and read.
@Suite struct PruningReportTests {
  /// A report of an earlier version of the program: a network after one stage of two candidates,
  /// with an empty tensor and a loss that overflowed.
  private static let text = """
    {"data":"digits","dense":{"accuracy":0.79,"loss":0.83},"gradient_seconds":0.0028,\
    "method":"mfac","multiply_adds":640,"network":"m.yaml","parameters":650,\
    "pattern":"unstructured","prunable":640,"results":[{\
    "bytes":{"masks":768,"model":2792,"sparse":2062},"kept":320,"masks":"b/masks.safetensors",\
    "model":"b/model.safetensors","multiply_adds":320,"predicted_change":0.25,\
    "quality":{"accuracy":0.1,"loss":null},"removed":320,"requested_sparsity":0.5,\
    "seconds":{"evaluation":1,"gradients":2,"judging":4,"removal":8,"selection":16},\
    "sparse":"b/sparse.safetensors","sparsity":0.5,"stages":[{"candidates":[\
    {"damping":0.0001,"gradient_scale":0,"held_out_loss":0.55,"mask_damping":0.01,\
    "mask_gradient_scale":1,"step":0.5},\
    {"damping":0.01,"gradient_scale":0,"held_out_loss":0.54,"mask_damping":0.0001,\
    "mask_gradient_scale":0,"step":1}],\
    "chosen":{"damping":0.01,"gradient_scale":0,"held_out_loss":0.54,"mask_damping":0.0001,\
    "mask_gradient_scale":0,"step":1},\
    "condition":6537.8,"error":2.9e-11,"predicted_change":0.25,"relative_change":0.0466,\
    "sparsity":0.5}],"tensors":[\
    {"is_prunable":true,"kept":320,"multiply_adds_per_weight":1,"name":"1.weight",\
    "shape":[10,64],"sparsity":0.5,"weights":640},\
    {"is_prunable":false,"kept":0,"multiply_adds_per_weight":0,"name":"none","shape":[0],\
    "sparsity":0,"weights":0}]}],\
    "scope":"global","settings":{"damping":"0.0001,0.01","stages":"1"},"weigh":"none",\
    "weights":"w.safetensors"}
    """

  private func report(_ text: String) throws -> PruningReport {
    try JSONText.decoder.decode(PruningReport.self, from: Data(text.utf8))
  }

  @Test("a report keeps its text") func unchangedText() throws {
    let report = try report(Self.text)
    #expect(try JSONText.of(report, inLines: false) == Self.text)
    #expect(report.results[0].seconds.total == 31)
  }

  /// The first reports had neither stages nor seconds of judging.
  @Test("the first form of a report is read") func firstForm() throws {
    let first = Self.text.replacing("\"judging\":4,", with: "")
      .replacing(/"stages":\[\{.*\}\],"tensors"/, with: "\"tensors\"")
    #expect(!first.contains("judging") && !first.contains("relative_change"))
    let result = try report(first).results[0]
    #expect(result.stages.isEmpty && result.seconds.total == 27 && result.kept == 320)
  }
}
