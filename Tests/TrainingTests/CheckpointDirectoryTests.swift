import Checkpoints
import Foundation
import Testing

/// Tests which names in a directory belong to checkpoints.
struct CheckpointDirectoryTests {
  @Test("names of steps and stages are recognised") func checkpointNames() throws {
    let path = FileManager.default.temporaryDirectory.path + "/checkpoints-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let steps = CheckpointDirectory(ofRun: path)
    #expect(try steps.steps() == [])
    for name in [
      "step-00000007", "step-00001200", "step-123456789", "step-12", "step-0000000a", "stage-1",
      ".step-00000008.tmp", "step--0000001",
    ] {
      try FileManager.default.createDirectory(
        atPath: "\(path)/checkpoints/\(name)", withIntermediateDirectories: true)
    }
    #expect(try steps.steps() == [123_456_789, 1200, 7])
    #expect(steps.path(step: 1200) == "\(path)/checkpoints/step-00001200")
    let stages = CheckpointDirectory(ofStagesIn: path)
    #expect(try stages.steps() == [])
    for name in ["stage-1", "stage-2", "stage-10", "stage-03", ".stage-11.tmp", "step-00000007"] {
      try FileManager.default.createDirectory(
        atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }
    #expect(try stages.steps() == [10, 2, 1])
    #expect(stages.path(step: 2) == "\(path)/stage-2")
  }
}
