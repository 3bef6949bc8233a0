import Foundation
import Support
import Testing

/// Tests full disks and read-only directories: a save fails on all ranks together, leaves nothing
/// behind, and training continues.
///
/// The tests mount their own file systems, invisible to other processes.
@Suite(
  .serialized,
  .enabled(if: mayMount, "mounting a file system of its own is not allowed"))
struct UnwritableTests {
  private let settings = """
    --dataset digits --model cnn --window 40 --steps 40 --evaluate-every 10 --save-every-steps 10 \
    --progress lines
    """

  /// Runs shell commands with `DISK` as the path of a file system of size `size`.
  private func run(size: String, _ commands: String) throws -> Program.Outcome {
    let directory = try TemporaryDirectory()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/unshare")
    process.arguments = [
      "--mount", "bash", "-euc",
      """
      export DISK='\(directory.root)' TRAIN='\(Program.train)'
      LOCAL='\(Program.package)/Launch/local.sh'
      mount -t tmpfs -o size=\(size) none "$DISK"
      \(commands)
      """,
    ]
    return try Program.run(process)
  }

  /// The disk has room for the model, and not for its masks.
  @Test("a full disk leaves no part of a pruned network") func prunedNetworkOnFullDisk() throws {
    let directory = try TemporaryDirectory()
    let trained = directory.path("trained")
    let outcome = try Program.train([
      "--dataset", "digits", "--model", "mlp", "--steps", "2", "--run-directory", trained,
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let pruned = try run(
      size: "84k",
      """
      $LOCAL -n 2 \(Program.prune) --dataset digits --model mlp \\
        --weights \(trained)/model.safetensors --sparsity 0.5 --output $DISK/pruned || true
      ls -A $DISK/pruned | wc -l
      """)
    #expect(pruned.errors.contains("pruned/masks.safetensors: cannot write: No space left"))
    #expect(pruned.output.hasSuffix("\n0\n"), "\(pruned.output)")
  }

  private func launcher(_ ranks: Int?) -> String {
    ranks.map { "$LOCAL -n \($0) $TRAIN" } ?? "$TRAIN"
  }

  @Test("a full disk does not end a run", arguments: [nil, 3])
  func fullDisk(ranks: Int?) throws {
    // A row of the window takes 54 KiB: there is room only for the first checkpoint.
    let outcome = try run(
      size: "1m",
      """
      \(launcher(ranks)) \(settings) --run-directory $DISK/run
      ls -A $DISK/run $DISK/run/checkpoints; $TRAIN inspect $DISK/run; wc -l $DISK/run/metrics.jsonl
      """)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let warnings = outcome.errors.split(separator: "\n")
    #expect(warnings.count == 3, "\(outcome.errors)")
    for (step, warning) in zip([20, 30, 40], warnings) {
      #expect(warning.hasPrefix("warning: step \(step) was not saved: "), "\(warning)")
      #expect(warning.hasSuffix("cannot write: No space left on device"), "\(warning)")
    }
    #expect(outcome.output.contains("saved step 10 in "))
    #expect(outcome.output.contains("model.safetensors\n"))
    // The last good checkpoint is left, and nothing of the others.
    #expect(outcome.output.contains("/run/checkpoints:\nstep-00000010\n"), "\(outcome.output)")
    #expect(outcome.output.contains("whole: every file is the one that was saved"))
    #expect(outcome.output.contains("44 "), "40 steps and 4 evaluations")
  }

  /// The disk is full for a while: the log loses no line.
  @Test("log lines wait for space on the disk") func delayedLines() throws {
    try trainWhileTheDiskIsFull(then: "true")
  }

  /// The event file loses no event.
  @Test(
    "events wait for space on the disk",
    .enabled(if: hasTensorBoard, "python3 with PyPI's tensorboard is not on this machine"))
  func delayedEvents() throws {
    let outcome = try trainWhileTheDiskIsFull(then: "python3 \(eventFileReader) $DISK/run 1")
    #expect(outcome.output.contains("numbers equal"), "\(outcome.errors)")
  }

  @discardableResult
  private func trainWhileTheDiskIsFull(then command: String) throws -> Program.Outcome {
    let outcome = try run(
      size: "20m",
      """
      (while [ ! -s $DISK/run/metrics.jsonl ]; do sleep 0.01; done
       cat /dev/zero > $DISK/filler 2>/dev/null || true; sleep 0.5; rm $DISK/filler) &
      $TRAIN --dataset digits --model mlp --optimizer sgd --steps 30000 --evaluate-every 30000 \
        --run-directory $DISK/run --progress none --tensorboard >$DISK/../out-$$ 2>&1 &
      train=$!
      until grep -q 'its lines wait' $DISK/../out-$$; do sleep 0.05; done
      sleep 1; kill -TERM $train; wait $train || echo "status $?"
      cat $DISK/../out-$$; rm $DISK/../out-$$
      grep -o '"step":[0-9]*' $DISK/run/metrics.jsonl | cut -d: -f2 > $DISK/steps
      seq 1 $(wc -l < $DISK/steps) | cmp - $DISK/steps && echo "each step once"
      \(command)
      """)
    #expect(outcome.output.contains("its lines wait"), "\(outcome.output)\(outcome.errors)")
    #expect(outcome.output.contains("status 143"))
    #expect(outcome.output.contains("each step once"), "\(outcome.output)\(outcome.errors)")
    return outcome
  }

  /// Either no rank may write, or one rank of three may not.
  @Test(
    "a read-only directory does not end a run",
    arguments: [(nil, false), (3, false), (3, true)])
  func readOnlyDirectory(ranks: Int?, isOneRanks: Bool) throws {
    let readOnly =
      "mount --bind $DISK/run/checkpoints $DISK/run/checkpoints && "
      + "mount -o remount,ro,bind $DISK/run/checkpoints"
    let start =
      isOneRanks
      ? """
      $LOCAL -n 3 bash -c 'if [ $OMPI_COMM_WORLD_RANK = 1 ]; then
        exec unshare --mount bash -c "\(readOnly) && exec $0 \\$*" bash "$@"
      else exec $0 "$@"; fi' $TRAIN
      """ : "\(readOnly); \(launcher(ranks))"
    let outcome = try run(
      size: "20m",
      """
      mkdir -p $DISK/run/checkpoints
      \(start) \(settings) --run-directory $DISK/run
      ls -A $DISK/run/checkpoints | wc -l; cat $DISK/run/metrics.jsonl | wc -l
      """)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let warnings = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
    #expect(warnings.count == 4, "\(outcome.errors)")
    for warning in warnings {
      #expect(warning.hasSuffix("Read-only file system"), "\(warning)")
      #expect(!isOneRanks || warning.contains("rank 1: "), "\(warning)")
    }
    #expect(outcome.output.hasSuffix("\n0\n44\n"), "\(outcome.output)")
  }
}

private let mayMount: Bool = {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/unshare")
  process.arguments = ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
  process.standardError = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationStatus == 0
}()
