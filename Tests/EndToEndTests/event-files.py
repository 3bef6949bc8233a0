"""Reads a run's event files with TensorBoard's readers, and compares them with its metrics.jsonl.

python3 event-files.py RUN FILES    FILES: the expected number of event files
"""

import json
import logging
import math
import os
import struct
import sys
import tempfile

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.util import tensor_util

TAGS = {
    "loss/train": "loss",
    "loss/test": "test_loss",
    "accuracy/test": "test_accuracy",
    "rmse/test": "test_rmse",
    "optimizer/learning_rate": "learning_rate",
    "optimizer/rate_factor": "rate_factor",
    "optimizer/damping": "damping",
    "optimizer/reduction_ratio": "reduction_ratio",
    "optimizer/cg_iterations": "cg_iterations",
    "optimizer/cg_residual": "cg_residual",
    "optimizer/gradient_norm": "gradient_norm",
    "optimizer/direction_norm": "direction_norm",
    "optimizer/angle": "angle",
    "gram/largest": "gram_largest",
    "gram/median": "gram_median",
    "gram/smallest": "gram_smallest",
    "gram/effective_rank": "gram_effective_rank",
}


def expected_series(run):
    """Returns the numbers of the lines by tag: [(step, number in single precision)]."""
    series = {}
    for text in open(os.path.join(run, "metrics.jsonl")):
        line = json.loads(text)
        numbers = [(tag, line[key]) for tag, key in TAGS.items() if key in line]
        # Lines of steps have a sparsity, and so have lines of pruning between two steps.
        if "sparsity" in line and "loss" in line:
            numbers.append(("sparsity", line["sparsity"]))
        numbers += [("seconds/" + phase, s) for phase, s in line.get("seconds", {}).items()]
        for tag, number in numbers:
            number = math.nan if number is None else number
            single = struct.unpack("f", struct.pack("f", number))[0]
            series.setdefault(tag, []).append((line["step"], single))
    return series


def require(holds, message):
    if not holds:
        sys.exit(message)


def check_series(run):
    directory = os.path.join(run, "tensorboard")
    expected = expected_series(run)
    scalars = event_accumulator.EventAccumulator(
        directory, size_guidance={event_accumulator.SCALARS: 0})
    scalars.Reload()
    require(scalars.file_version == 2, f"version {scalars.file_version}")
    # TensorBoard itself uses this reader.
    tensors = plugin_event_accumulator.EventAccumulator(
        directory, size_guidance={plugin_event_accumulator.TENSORS: 0})
    tensors.Reload()
    names = scalars.Tags()["scalars"]
    require(sorted(names) == sorted(expected), f"tags {sorted(names)}, not {sorted(expected)}")
    require(sorted(tensors.Tags()["tensors"]) == sorted(expected), "tags of tensors")
    count = 0
    for tag, numbers in expected.items():
        shown = [(event.step, event.value) for event in scalars.Scalars(tag)]
        require(repr(shown) == repr(numbers), f"{tag}: {shown}, not {numbers}")
        shown = [(event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
                 for event in tensors.Tensors(tag)]
        require(repr(shown) == repr(numbers), f"{tag}: {shown}, not {numbers}, as tensors")
        count += len(numbers)
    return count


def check_damage(path):
    """Checks that reading stops before a record with any damaged byte, for the first records."""
    whole = open(path, "rb").read()
    ends = [0]
    while ends[-1] < len(whole) and len(ends) < 5:
        length = struct.unpack_from("<Q", whole, ends[-1])[0]
        ends.append(ends[-1] + 12 + length + 4)
    # The reader logs each error.
    logging.disable(logging.CRITICAL)
    with tempfile.NamedTemporaryFile() as copy:
        for index in range(ends[-1]):
            spoiled = bytearray(whole)
            spoiled[index] ^= 1 << index % 8
            copy.seek(0)
            copy.write(spoiled)
            copy.flush()
            read = sum(1 for _ in event_file_loader.EventFileLoader(copy.name).Load())
            before = sum(end <= index for end in ends) - 1
            require(read == before, f"{read} events of {before} before spoiled byte {index}")
    return ends[-1]


run, files = sys.argv[1], int(sys.argv[2])
names = sorted(os.listdir(os.path.join(run, "tensorboard")))
require(len(names) == files, f"{len(names)} files, not {files}: {names}")
count = check_series(run)
spoiled = check_damage(os.path.join(run, "tensorboard", names[0]))
print(f"{count} numbers equal, {spoiled} spoiled bytes refused")
