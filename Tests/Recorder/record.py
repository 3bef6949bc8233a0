"""Records results, help and messages of the programs, to compare two builds.

python3 Tests/Recorder/record.py PROGRAMS RECORD [--before RECORD]

PROGRAMS is a build folder, such as .build/release. RECORD is a folder for four texts:

  digests.txt   name and SHA-256 of the output of a short run; the recorder fails if 1 and 3 ranks
                differ
  help.txt      the help of each program and subcommand
  schemas.txt   the keys, types and tensor shapes of each kind of file
  messages.txt  messages about bad input and output of dry runs, without times

and the checkpoints of some runs. With --before, runs resume from the checkpoints of an earlier
record: this build then reads files that the earlier build has written.

After a change that should not affect behaviour, `diff -r --exclude=checkpoints` of two records is
empty. Digests depend on the CPU's OpenBLAS kernels: compare records of one machine.
"""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor

RANKS = (1, 3)

MLP = "--dataset digits --model mlp --batch-size 32 --steps 12"
CNN = "--dataset digits --model cnn --batch-size 24 --steps 8"
PUBLISHED = "--preset published"
MFAC = f"{MLP} {PUBLISHED} --window 6 --damping 0.01 --learning-rate 0.01"
ADAPTIVE = f"{MLP} --window 6"
KFAC = f"{CNN} --optimizer kfac --damping 0.1 --factor-every 2 --inverse-every 3"
OF_FISHER = "--prune-gradients 9 --prune-gradient-batch 4"
SPARSE = "--prune-every 3 --prune-end 10"
REGROW = "--sparsity 0.9 --prune-every 3"

# name: arguments of swift-mfac-train; {NAME} is replaced by a path in the workshop.
TRAINING = {
    # Optimizers.
    "mfac": MFAC,
    "mfac-cnn": f"{CNN} {PUBLISHED} --window 5 --clip-norm 1 --momentum 0.9",
    "mfac-decay": f"{MFAC} --weight-decay 1e-3",
    "mfac-decoupled": f"{MFAC} --weight-decay 1e-2 --weight-decay-mode decoupled",
    "adaptive": ADAPTIVE,
    "adaptive-cnn": f"{CNN} --window 5 --momentum 0.9 --damping-schedule levenberg-marquardt",
    "adaptive-double": f"{ADAPTIVE} --precision float64",
    "adaptive-int8": f"{ADAPTIVE} --window-type int8 --insert-every 2 --precondition-every 2",
    "sgd": f"{MLP} --optimizer sgd --learning-rate 0.05",
    "sgd-momentum": f"{MLP} --optimizer sgd --momentum 0.9 --learning-rate 0.05 --clip-norm 0.5"
    " --weight-decay 1e-3",
    "adamw": f"{MLP} --optimizer adamw --weight-decay 0.01",
    "muon": f"{CNN} --optimizer muon",
    "muon-groups": f"{CNN} --optimizer muon --no-muon-nesterov --muon-iterations 3 --clip-norm 1"
    " --weight-decay 0.1 --config {groups-cnn}",
    "kfac": KFAC,
    "kfac-eigen": f"{KFAC} --solver eigen --damping-form exact --momentum 0.9",
    "kfac-type2": f"{KFAC} --fisher type2 --kfac-setting reduce",
    "kfac-empirical": f"{KFAC} --fisher empirical --kfac-setting expand --damping-form same",
    "kfac-forward-only": f"{KFAC} --fisher forward-only --learning-rate 0.01",
    "kfac-samples": f"{KFAC} --fisher-samples 3 --weight-decay 1e-3",
    "kfac-adaptive": f"{KFAC} --step adaptive --damping-schedule levenberg-marquardt",
    "kfac-adaptive-groups": f"{KFAC} --step adaptive --config {{groups-cnn}}",
    "kfac-levenberg": f"{KFAC} --damping-schedule levenberg-marquardt --damping-every 3",
    "kfac-cg": f"{CNN} --optimizer kfac --solver cg --damping 0.1 --learning-rate 0.01",
    "kfac-cg-fisher": f"{CNN} --optimizer kfac --solver cg --cg-operator fisher --damping 0.1"
    " --learning-rate 0.01 --no-cg-warm-start",
    "kfac-workers": f"{KFAC} --kfac-grad-workers 0.5 --kfac-factors all",
    "kfac-norms": "--dataset digits --model {norms} --batch-size 24 --steps 8 --optimizer kfac"
    " --kfac-normalization block --damping 0.1",
    "kfac-masks": f"{MLP} --optimizer kfac --damping 0.1 --masks {{masks}}",
    # Double precision.
    "double-mfac": f"{MFAC} --precision float64 --momentum 0.9",
    "double-kfac": f"{KFAC} --precision float64 --step adaptive",
    "double-window": f"{MFAC} --precision float64 --window-type bfloat16 --window-density 0.1",
    # Forms of the window.
    "window-bfloat16": f"{MFAC} --window-type bfloat16",
    "window-sparse": f"{MFAC} --window-density 0.1",
    "window-sparse-bfloat16": f"{MFAC} --window-density 0.1 --window-type bfloat16",
    "window-of-one": f"{MFAC} --window 1",
    "window-intervals": f"{MFAC} --insert-every 2 --precondition-every 3 --momentum 0.5",
    "window-small-damping": f"{MFAC} --window 20 --damping 1e-12 --input-scale 1",
    # Schedules of damping and learning rate.
    "damping-relative": f"{MFAC} --damping-relative",
    "damping-linear": f"{MFAC} --damping-schedule linear --damping-final 0.1",
    "damping-exponential": f"{MFAC} --damping-schedule exponential --damping-final 1e-4",
    "damping-levenberg": f"{MFAC} --damping-schedule levenberg-marquardt --damping-every 3",
    "damping-levenberg-intervals": f"{MFAC} --damping-schedule levenberg-marquardt"
    " --damping-every 3 --insert-every 2 --precondition-every 2 --config {groups}",
    "schedule-step": f"{MFAC} --schedule step --drop-every 5 --drop-factor 0.5 --warm-up-steps 2",
    "schedule-linear": f"{MFAC} --schedule linear --order sequential --seed 3",
    # Groups.
    "groups-mfac": f"{MFAC} --config {{groups}}",
    "groups-adamw": f"{MLP} --optimizer adamw --config {{groups}}",
    "groups-sgd": f"{MLP} --optimizer sgd --config {{groups}}",
    "groups-kfac": f"{KFAC} --config {{groups-cnn}}",
    # Models, losses and data.
    "resnet20": f"{PUBLISHED} --dataset digits --model resnet20 --batch-size 16 --steps 3"
    " --window 3"
    " --augment standard --crop-padding 1",
    "wideresnet": "--dataset digits --model wideresnet-22-2 --batch-size 8 --steps 2"
    " --optimizer sgd",
    "vit-tiny": f"{PUBLISHED} --dataset cifar10:{{cifar10}} --model vit-tiny --batch-size 8"
    " --steps 2 --window 3",
    "gpt-mini": f"{PUBLISHED} --dataset text:{{text}} --model gpt-mini --batch-size 8 --steps 3"
    " --window 3",
    "gpt-mini-kfac": "--dataset text:{text} --model gpt-mini --batch-size 8 --steps 3"
    " --optimizer kfac --context-length 16",
    "model-of-all-layers": f"{PUBLISHED} --dataset digits --model {{layers}} --batch-size 16"
    " --steps 6 --window 4 --micro-batches 4",
    "table-regression": f"{PUBLISHED} --dataset csv:{{table}} --model {{regression}}"
    " --batch-size 16 --steps 9 --window 5",
    "adaptive-regression": "--dataset csv:{table} --model {regression} --batch-size 16 --steps 9"
    " --window 5",
    "table-classes": "--dataset csv:{table} --task classification --target kind"
    " --model {classes} --batch-size 16 --steps 9 --optimizer adamw --label-smoothing 0.1",
    "binary-cross-entropy": f"{MFAC} --loss binary-cross-entropy",
    "mean-squared-error": f"{KFAC} --loss mean-squared-error --fisher type2",
    "initial-weights": f"{MFAC} --weights {{weights}} --check-collectives",
    # Masks and pruning while training.
    "masks": f"{MFAC} --masks {{masks}}",
    "masks-adamw": f"{MLP} --optimizer adamw --masks {{masks}} --weight-decay 0.1",
    "sparse-magnitude": f"{MLP} --optimizer sgd --momentum 0.9 --sparsity 0.9 {SPARSE} --cycle",
    "sparse-diagonal": f"{MLP} --optimizer adamw --sparsity 0.9 {SPARSE} {OF_FISHER}"
    " --prune-method diagonal --prune-schedule geometric",
    "sparse-mfac": f"{MFAC} --sparsity 0.8 {SPARSE} {OF_FISHER} --prune-method mfac"
    " --scope uniform",
    "sparse-woodfisher": f"{MFAC} --sparsity 0.8 {SPARSE} {OF_FISHER} --prune-method woodfisher"
    " --prune-block-size 100 --prune-update independent --max-tensor-sparsity 0.85",
    "regrow-random": f"{MLP} --optimizer sgd {REGROW} --regrow random",
    "regrow-gradient": f"{MLP} --optimizer adamw {REGROW} {OF_FISHER} --regrow gradient"
    " --regrow-decay constant",
    "regrow-marginal": f"{MFAC} {REGROW} {OF_FISHER} --regrow marginal --scope global",
}

# Runs that resume from a checkpoint in the middle, with another number of ranks.
RESUMED = (
    "mfac", "mfac-cnn", "adaptive", "adaptive-int8", "sgd-momentum", "adamw", "muon", "kfac",
    "kfac-eigen", "kfac-cg", "double-mfac", "kfac-adaptive", "kfac-levenberg",
    "window-bfloat16", "window-sparse", "window-intervals", "damping-levenberg", "groups-mfac",
    "sparse-mfac", "regrow-marginal", "model-of-all-layers",
)

OF_DATA = "--dataset digits --model {small} --weights {weights-small}"
OF_MODEL = f"{OF_DATA} --gradients 24"
FILES = "--weights {foreign} --gradients {foreign-gradients}"

# name: arguments of swift-mfac-prune.
PRUNING = {
    "prune-magnitude": f"{OF_DATA} --sparsity 0.7",
    "prune-diagonal": f"{OF_MODEL} --sparsity 0.7 --method diagonal --gradient-batch 3",
    "prune-mfac": f"{OF_MODEL} --sparsity 0.7 --method mfac --damping 1e-3",
    "prune-mfac-independent": f"{OF_MODEL} --sparsity 0.7 --method mfac --update independent",
    "prune-mfac-none": f"{OF_MODEL} --sparsity 0.7 --method mfac --update none",
    "prune-woodfisher": f"{OF_MODEL} --sparsity 0.7 --method woodfisher --block-size 60",
    "prune-woodfisher-all": f"{OF_MODEL} --sparsity 0.7 --method woodfisher --block-size 60"
    " --block-scope all --update independent --scope uniform",
    "prune-per-tensor": f"{OF_MODEL} --sparsity 0.6 --method mfac --scope per-tensor"
    " --tensor-sparsity 0.weight=0.3 --max-tensor-sparsity 0.9",
    "prune-2:4": f"{OF_MODEL} --method mfac --pattern 2:4 --exclude 0.weight",
    "prune-4x1": f"{OF_MODEL} --sparsity 0.5 --method woodfisher --pattern 4x1"
    " --exclude 7.weight",
    "prune-channels": f"{OF_MODEL} --sparsity 0.3 --method mfac --pattern channels"
    " --exclude 7.weight",
    "prune-double": f"{OF_MODEL} --sparsity 0.7 --method mfac --precision float64",
    "prune-stages": f"{OF_MODEL} --sparsity 0.8 --method mfac --stages 3",
    "prune-sweep": f"{OF_MODEL} --sweep 0.5,0.8 --method mfac",
    "prune-greedy": f"{OF_MODEL} --sparsity 0.8 --method mfac --select greedy --greedy-steps 4",
    "prune-exchange": f"{OF_MODEL} --sparsity 0.8 --method mfac --select exchange",
    "prune-iht": f"{OF_MODEL} --sparsity 0.8 --method mfac --select iht",
    "prune-flops": f"{OF_MODEL} --sparsity 0.5 --sparsity-of flops --weigh flops --method diagonal",
    "prune-candidates": f"{OF_MODEL} --sparsity 0.8 --method mfac --damping 1e-4,1e-2"
    " --gradient-scale 0,0.5 --update-step 0.5,1 --held-out 200",
    "prune-paged": f"{OF_MODEL} --sparsity 0.8 --method mfac --page-directory {{pages}}",
    "prune-masks": f"{OF_MODEL} --sparsity 0.8 --method mfac --masks {{masks-small}}"
    " --sparse-output",
    "prune-foreign": f"{FILES} --sparsity 0.6 --method mfac --damping 1e-3",
    "prune-foreign-woodfisher": f"{FILES} --sparsity 0.6 --method woodfisher --block-size 20",
}

# name: arguments of swift-mfac-fisher.
QUERIES = {
    "fisher-ihvp": f"ihvp {FILES} --vectors {{foreign-gradients}} --damping 1e-3",
    "fisher-diagonal": f"diagonal {OF_MODEL}",
    "fisher-double": f"diagonal {OF_MODEL} --precision float64",
    "fisher-influence": f"influence {FILES} --vectors {{foreign-gradients}} --top 2",
    "fisher-spectrum": f"spectrum {OF_MODEL}",
}

# Output of dry runs, and refusals of bad input: program, arguments, ranks.
FORESEEN = [("train", f"{TRAINING[name]} --dry-run", ranks) for name, ranks in (
    ("mfac", 1), ("mfac-cnn", 3), ("sgd-momentum", 3), ("adamw", 3), ("kfac-eigen", 3),
    ("kfac-adaptive", 1), ("window-sparse-bfloat16", 3), ("gpt-mini-kfac", 1),
    ("sparse-mfac", 3), ("model-of-all-layers", 3))]
RESUME = "--dataset digits --resume {checkpoint} --run-directory {again}"
REFUSED = [
    ("train", "--window 0"), ("train", "--windows 5"), ("train", "--optimizer lion"),
    ("train", "--learning-rate fast"), ("train", "--damping -1"), ("train", "--momentum 1"),
    ("train", "--window-density 1.5"), ("train", "--window-type float16"),
    ("train", "--insert-every 0"), ("train", "--damping-schedule linear"),
    ("train", "--damping-final 1"), ("train", "--damping-every 0"),
    ("train", "--optimizer sgd --window 5"), ("train", "--optimizer adamw --momentum 0.9"),
    ("train", "--optimizer kfac --damping-form exact"),
    ("train", "--optimizer kfac --solver cg --factor-every 5"),
    ("train", "--optimizer kfac --step adaptive --kl-clip 1"),
    ("train", "--optimizer mfac --solver eigen"), ("train", "--fisher-samples 2"),
    ("train", "--cg-iterations 3"), ("train", "--sparse"), ("train", "--sparsity 1"),
    ("train", "--prune-begin 5"), ("train", "--regrow random"), ("train", "--clip-norm 0"),
    ("train", "--micro-batches 3 --batch-size 32"), ("train", "--model perceptron"),
    ("train", "--dataset nowhere"), ("train", "--dataset digits --loss hinge"),
    ("train", "--dataset digits --model {broken}"), ("train", "--dataset digits --model {unknown}"),
    ("train", "--dataset digits --model {shapes}"), ("train", "--dataset csv:{letters}"),
    ("train", "--dataset digits --model mlp --weights {text}"),
    ("train", "--dataset digits --model cnn --weights {weights}"),
    ("train", "--dataset digits --model cnn --masks {masks}"),
    ("train", "--dataset digits --config {bad-config}"),
    ("train", f"{RESUME} --model cnn"),
    ("train", f"{RESUME} --model mlp --optimizer mfac"),
    ("train", f"{RESUME} --model mlp --optimizer sgd --batch-size 9"),
    ("train", "inspect {text}"),
    ("prune", "--weights {weights} --output {again}"),
    ("prune", "--weights {weights} --output {again} --sparsity 1.5"),
    ("prune", "--weights {weights} --output {again} --sparsity 0.5 --update joint"),
    ("prune", "--weights {weights} --output {again} --sparsity 0.5 --pattern 3:2"),
    ("prune", "--weights {weights} --output {again} --sparsity 0.5 --method mfac --stages 0"),
    ("prune", "--weights {text} --output {again} --sparsity 0.5 --dataset digits --model mlp"),
    ("prune", "--weights {foreign} --gradients {weights} --output {again} --sparsity 0.5"),
    ("fisher", "ihvp --weights {foreign} --gradients {foreign-gradients} --vectors {weights}"),
    ("fisher", "element --weights {foreign} --gradients {foreign-gradients} --at 99:1"),
    ("bench", "step --optimizer lion"), ("bench", "predict --ranks 0"),
]

MODELS = {
    "small": """
        input: [1, 8, 8]
        layers:
          - conv2d: {in: 1, out: 4, kernel: 3, padding: 1}
          - batch-norm
          - relu
          - max-pool2d: {kernel: 2}
          - flatten
          - linear: {in: 64, out: 12}
          - tanh
          - linear: {in: 12, out: 10}
        """,
    "norms": """
        input: [1, 8, 8]
        layers:
          - conv2d: {in: 1, out: 3, kernel: 3, padding: 1}
          - batch-norm
          - relu
          - global-average-pool
          - layer-norm
          - linear: {in: 3, out: 10}
        """,
    "layers": """
        input: [1, 8, 8]
        layers:
          - conv2d: {in: 1, out: 4, kernel: 3, padding: 1, stride: 2, bias: false}
          - batch-norm
          - gelu
          - add:
              layers: [{conv2d: {in: 4, out: 4, kernel: 1}}, sigmoid]
          - average-pool2d: {kernel: 2}
          - to-sequence
          - position-embedding
          - layer-norm
          - add:
              layers: [{attention: {heads: 2}}]
          - dropout: {probability: 0.2}
          - flatten
          - sequence: {layers: [{linear: {in: 16, out: 12}}, tanh]}
          - linear: {in: 12, out: 10}
        """,
    "regression": """
        input: [2]
        layers: [{linear: {in: 2, out: 5}}, tanh, {linear: {in: 5, out: 1}}]
        """,
    "classes": """
        input: [2]
        layers: [{linear: {in: 2, out: 6}}, relu, {linear: {in: 6, out: 2}}]
        """,
    "broken": "input: [1, 8, 8]\nlayers: [flatten, {linear: {in: 64}}]",
    "unknown": "input: [1, 8, 8]\nlayers: [flatten, {lineal: {in: 64, out: 10}}]",
    "shapes": "input: [1, 8, 8]\nlayers: [flatten, {linear: {in: 63, out: 10}}]",
    "groups": """
        groups:
          - {match: '*.bias', learning-rate: 0.003, weight-decay: 0}
          - {match: '1.weight', weight-decay: 0.01}
        """,
    "groups-cnn": """
        groups:
          - {match: '*.bias', learning-rate: 0.003, weight-decay: 0}
          - {match: '3.*', weight-decay: 0.01}
        """,
    "bad-config": "window: 5\nwindwo: 6\n",
}
TENSORS = ("foreign", "foreign-gradients", "weights", "weights-small", "masks", "masks-small")


def tensors(path, named):
    """Writes single-precision tensors, {name: (shape, values)}, as safetensors."""
    header, data = {}, b""
    for name, (shape, values) in named.items():
        part = struct.pack(f"<{len(values)}f", *values)
        offsets = [len(data), len(data) + len(part)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def numbers(seed, count):
    """Yields numbers in [-1, 1), the same on every machine."""
    for _ in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (seed >> 33) / 2**30 - 1


class Recorder:
    def __init__(self, programs, record, before):
        self.programs, self.record = os.path.abspath(programs), os.path.abspath(record)
        self.before = before and os.path.abspath(before)
        shutil.rmtree(self.record, ignore_errors=True)
        os.makedirs(f"{self.record}/checkpoints")
        self.workshop = tempfile.mkdtemp(prefix="swift-mfac-record-")
        self.faults = []

    def path(self, name):
        if name in MODELS:
            return f"{self.workshop}/{name}.yaml"
        return f"{self.workshop}/{name}" + (".safetensors" if name in TENSORS else "")

    def arguments(self, text):
        return [re.sub(r"^(\w+:|)\{([\w-]+)\}$", lambda m: m[1] + self.path(m[2]), word)
                for word in text.split()]

    def start(self, program, arguments, ranks=1):
        launcher = [] if ranks == 1 else [
            "mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
        # Each run has its own Open MPI session folder: a run that ends would remove a shared one.
        with tempfile.TemporaryDirectory(prefix="mpi-") as session:
            settings = {
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                "OMPI_MCA_orte_tmpdir_base": session, "COLUMNS": "100"}
            return subprocess.run(
                launcher + [f"{self.programs}/swift-mfac-{program}"] + arguments,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                cwd=self.workshop, env={**os.environ, **settings})

    def run(self, program, arguments, ranks=1):
        outcome = self.start(program, arguments, ranks)
        if outcome.returncode != 0:
            self.faults.append(f"{program} {' '.join(arguments)} ({ranks} ranks): {outcome.stderr}")
        return outcome

    def prepare(self):
        """Writes the models, data and trained weights that runs share."""
        for name, text in MODELS.items():
            with open(self.path(name), "w") as file:
                file.write(textwrap.dedent(text))
        with open(self.path("table"), "w") as file:
            drawn = list(numbers(1, 240))
            file.write("a,b,kind\n")
            for a, b in zip(drawn[::2], drawn[1::2]):
                file.write(f"{a:.6f},{b:.6f},{int(a * b > 0)}\n")
        with open(self.path("letters"), "w") as file:
            file.write("a,b\n1,2\n3,x\n")
        with open(self.path("text"), "w") as file:
            file.write("".join(f"{n} sheep and {n * n} stars. " for n in range(300)))
        os.makedirs(self.path("cifar10"))
        drawn = numbers(2, 10**9)
        for part in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
            with open(self.path(f"cifar10/{part}.bin"), "wb") as file:
                for n in range(8):
                    pixels = bytes(int(128 * next(drawn)) + 128 for _ in range(3072))
                    file.write(bytes([n]) + pixels)
        os.makedirs(self.path("pages"))
        values = list(numbers(3, 14))
        tensors(self.path("foreign"), {"b": ([2], values[:2]), "a": ([3, 4], values[2:])})
        rows = list(numbers(4, 84))
        tensors(self.path("foreign-gradients"),
                {"a": ([6, 3, 4], rows[:72]), "b": ([6, 2], rows[72:])})
        for name, model in (("weights", "mlp"), ("weights-small", self.path("small"))):
            common = ["--dataset", "digits", "--model", model]
            self.run("train", common + [
                "--optimizer", "sgd", "--learning-rate", "0.05", "--momentum", "0.9", "--steps",
                "40", "--save-every-steps", "20", "--run-directory", self.path(f"run-{name}")])
            self.copy(f"run-{name}/model.safetensors", name)
            masks = name.replace("weights", "masks")
            self.run("prune", common + [
                "--weights", self.path(name), "--sparsity", "0.4", "--output",
                self.path(f"pruned-{name}")])
            self.copy(f"pruned-{name}/masks.safetensors", masks)
        os.symlink(self.path("run-weights/checkpoints/step-00000020"), self.path("checkpoint"))

    def copy(self, source, name):
        if os.path.exists(self.path(source)):
            shutil.copy(self.path(source), self.path(name))

    def digest(self, folder):
        """Returns the digest of a run's files, without times, paths and checkpoints."""
        sums = hashlib.sha256()
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            if os.path.isdir(path):
                if name.startswith("sparsity-"):
                    sums.update(self.digest(path).encode())
            elif name.endswith((".safetensors", ".npy")):
                with open(path, "rb") as file:
                    sums.update(name.encode() + hashlib.sha256(file.read()).digest())
            elif name in ("metrics.jsonl", "report.json"):
                with open(path) as file:
                    lines = file.read().splitlines() if name[-1] == "l" else [file.read()]
                for line in lines:
                    known = self.timeless(json.loads(line))
                    sums.update(json.dumps(known, sort_keys=True).encode())
        return sums.hexdigest()

    def timeless(self, value):
        if isinstance(value, dict):
            return {key: self.timeless(value[key]) for key in value if "seconds" not in key
                    and not (isinstance(value[key], str) and self.workshop in value[key])}
        return [self.timeless(x) for x in value] if isinstance(value, list) else value

    def same(self, name, digests):
        if len(set(digests)) != 1:
            self.faults.append(f"{name}: not the same at {RANKS} ranks: {digests}")
        return digests[0]

    def train(self, name):
        arguments = self.arguments(TRAINING[name]) + ["--progress", "none"]
        saves = ["--save-every-steps", "4", "--keep-last", "9"] if name in RESUMED else []
        digests = []
        for ranks in RANKS:
            run = self.path(f"{name}-{ranks}")
            self.run("train", arguments + saves + ["--run-directory", run], ranks)
            digests.append(self.digest(run))
        if name in RESUMED:
            kept = f"{self.record}/checkpoints/{name}"
            shutil.copytree(self.path(f"{name}-3/checkpoints/step-00000004"), kept)
            source = f"{self.before}/checkpoints/{name}"
            # The record of an earlier build may lack this run.
            source = source if self.before and os.path.isdir(source) else kept
            run = self.path(f"{name}-resumed")
            self.run("train", arguments + ["--resume", source, "--run-directory", run])
            with open(f"{run}/model.safetensors", "rb") as one, open(
                    self.path(f"{name}-1/model.safetensors"), "rb") as other:
                if one.read() != other.read():
                    self.faults.append(f"{name}: resumed, it is not the run that went on")
        return f"{name} {self.same(name, digests)}"

    def prune(self, name):
        digests = []
        for ranks in RANKS:
            output = self.path(f"{name}-{ranks}")
            self.run("prune", self.arguments(PRUNING[name]) + ["--output", output], ranks)
            digests.append(self.digest(output))
        return f"{name} {self.same(name, digests)}"

    def query(self, name):
        digests = []
        for ranks in RANKS:
            output = self.path(f"{name}-{ranks}")
            os.makedirs(output)
            self.run(
                "fisher", self.arguments(QUERIES[name]) + ["--output", f"{output}/answer.npy"],
                ranks)
            digests.append(self.digest(output))
        return f"{name} {self.same(name, digests)}"

    def helps(self):
        def of(program, words):
            text = self.start(program, words + ["--help"]).stdout
            below = re.findall(r"^  ([a-z]+)  ", text.partition("SUBCOMMANDS:")[2], re.M)
            return f"# {program} {' '.join(words)}\n{text}\n" + "".join(
                of(program, words + [name]) for name in below)
        names = sorted(n for n in os.listdir(self.programs) if re.fullmatch("swift-mfac-[a-z]+", n))
        return "".join(of(name.removeprefix("swift-mfac-"), []) for name in names)

    def saying(self, case):
        program, text, ranks = (*case, 1)[:3]
        outcome = self.start(program, self.arguments(text), ranks)
        said = (outcome.stdout + outcome.stderr).replace(self.workshop, "WORKSHOP")
        said = re.sub(r"^(run|step|time) +.*\n", "", said, flags=re.M)
        return f"$ {program} {text}\n{said.rstrip()}\nstatus {outcome.returncode}\n\n"

    def schema(self, path):
        def walk(value, at):
            if isinstance(value, dict):
                for key in value:
                    yield from walk(value[key], f"{at}.{key}")
            elif isinstance(value, list):
                for item in value[:1]:
                    yield from walk(item, f"{at}[]")
            else:
                kind = type(value).__name__
                yield f"{at} {'number' if kind in ('int', 'float') else kind}"
        if path.endswith(".safetensors"):
            with open(path, "rb") as file:
                header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            return [f"{name} {tensor.get('dtype', '')} {tensor.get('shape', tensor)}"
                    for name, tensor in header.items()]
        with open(path) as file:
            if path.endswith((".json", ".jsonl")):
                text = file.read()
                values = text.splitlines() if path.endswith("l") else [text]
                return sorted({line for text in values for line in walk(json.loads(text), "")})
            return [line.partition(":")[0] for line in file if not line.startswith("#")]

    def schemas(self):
        shown = ["mfac-3", "kfac-eigen-3", "adamw-1", "regrow-marginal-3", "prune-stages-3",
                 "prune-masks-3", "prune-sweep-3"]
        text = ""
        for run in shown:
            for folder, folders, files in sorted(os.walk(self.path(run))):
                folders.sort()
                for name in sorted(files):
                    if name.endswith((".safetensors", ".json", ".jsonl", ".yaml")):
                        path = f"{folder}/{name}"
                        place = os.path.relpath(path, self.workshop)
                        text += f"# {place}\n" + "".join(f"{x}\n" for x in self.schema(path)) + "\n"
        return text

    def all(self):
        self.prepare()
        jobs = [(self.train, x) for x in TRAINING] + [(self.prune, x) for x in PRUNING] + [
            (self.query, x) for x in QUERIES]
        with ThreadPoolExecutor(2) as pool:
            digests = list(pool.map(lambda job: self.attempt(*job), jobs))
            messages = list(pool.map(self.saying, FORESEEN + REFUSED))
        self.write("digests.txt", "".join(f"{line}\n" for line in digests))
        self.write("messages.txt", "".join(messages))
        self.write("help.txt", self.helps())
        self.write("schemas.txt", self.schemas())
        shutil.rmtree(self.workshop)
        for fault in self.faults:
            print(fault, file=sys.stderr)
        print(f"{len(digests)} runs at {' and '.join(map(str, RANKS))} ranks, {len(messages)} "
              f"messages, {len(self.faults)} faults: {self.record}")
        return 1 if self.faults else 0

    def attempt(self, job, name):
        try:
            return job(name)
        except Exception as error:
            self.faults.append(f"{name}: {error!r}")
            return f"{name} failed"

    def write(self, name, text):
        with open(f"{self.record}/{name}", "w") as file:
            file.write(text)


if __name__ == "__main__":
    given = sys.argv[1:]
    earlier = given[3] if len(given) == 4 and given[2] == "--before" else None
    if len(given) != (4 if earlier else 2):
        sys.exit(__doc__)
    sys.exit(Recorder(given[0], given[1], earlier).all())
